// What the conformance suite asks of a host, done with this one.

import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { Connector, CONTRACT_VERSION, Policy, Refused } from '../src/index.js';
import { metadataFromJson, toJson } from './json.js';

const PROTOCOL = 1;

export class Requests {
  #suite;
  #about;
  #connectors = new Map();
  #instances = new Map();
  /** What ends the calls under way, by their requests' ids. */
  #running = new Map();

  /**
   * @param {import('./suite.js').Suite} suite
   * @param {{name: string, version: string}} about the host
   */
  constructor(suite, about) {
    this.#suite = suite;
    this.#about = about;
  }

  /** Does a request; resolves with what is `ok`. */
  perform(request) {
    switch (request.do) {
      case 'hello': return { ...this.#about, contract: CONTRACT_VERSION, protocol: PROTOCOL };
      case 'load': return this.#load(request);
      case 'start': return this.#start(request);
      case 'plan': return this.#plan(request);
      case 'check': return this.#check(request);
      case 'call': return this.#call(request);
      case 'cancel': return this.#cancel(request);
      case 'end': return this.#end(request);
      default: throw new Refused(`there is no request ${JSON.stringify(request.do)}`);
    }
  }

  async #load({ as, component }) {
    const connector = await Connector.load(await readFile(component));
    this.#connectors.set(as, connector);
    return { endpoints: connector.endpoints, descriptor: toJson(connector.descriptor) };
  }

  async #start({ instance, connector, run, policy = {}, limits = {}, log_threshold: logThreshold }) {
    const started = await named(this.#connectors, connector, 'connector').start({
      runId: run,
      policy: new Policy({
        allow: policy.allow ?? [],
        listen: policy.listen ?? false,
        insecureTls: policy.insecure_tls ?? false,
        clientCertificates: policy.client_certificates ?? {},
      }),
      limits: stated(limits),
      logThreshold,
    });
    this.#instances.set(instance, started);
    return {};
  }

  async #plan({ instance, endpoint, connection, options }) {
    const plan = await this.#instance(instance).plan(endpoint ?? undefined, { connection, options });
    return { egress: toJson(plan) };
  }

  async #check({ id, instance, connection, probe_write: probeWrite, limit_ms: limitMs }) {
    const flow = this.#suite.flow(id);
    const steps = await this.#run(id, (signal) =>
      this.#instance(instance).check({ connection, probeWrite, limitMs, flow, signal }));
    return { steps: toJson(steps) };
  }

  async #call({ id, instance, endpoint, connection, options, attempt, limit_ms: limitMs, incoming }) {
    const about = { connection, options, attempt, limitMs, flow: this.#suite.flow(id), incoming: incoming.map(payload) };
    const { summary, well, unsettled } = await this.#run(id, (signal) =>
      this.#instance(instance).call(endpoint, { ...about, signal }));
    return { summary: toJson(summary), well, unsettled: left(unsettled) };
  }

  async #run(id, make) {
    const ending = new AbortController();
    this.#running.set(id, ending);
    try {
      return await make(ending.signal);
    } finally {
      this.#running.delete(id);
    }
  }

  #cancel({ call }) {
    this.#running.get(call)?.abort();
    return {};
  }

  #end({ instance }) {
    this.#instance(instance).end();
    this.#instances.delete(instance);
    return {};
  }

  /** Ends all instances. */
  close() {
    this.#instances.forEach((instance) => instance.end());
  }

  #instance(name) {
    return named(this.#instances, name, 'instance');
  }
}

function named(things, name, what) {
  if (!things.has(name)) {
    throw new Refused(`there is no ${what} ${JSON.stringify(name)}`);
  }
  return things.get(name);
}

/** Without what is null: a limit that is not stated. */
function stated(limits) {
  return Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit !== null));
}

function payload({ metadata, options, body, earlier }) {
  return {
    metadata: metadataFromJson(metadata),
    options,
    body: opener(body),
    earlier: earlier ? { note: earlier.note ?? undefined } : null,
  };
}

function opener(body) {
  if (!body) {
    return null;
  }
  return 'file' in body ? () => createReadStream(body.file) : () => Readable.from([Buffer.from(body.text)], { objectMode: false });
}

/** Payloads that were not settled, as the protocol tells them. */
export function left(unsettled) {
  return unsettled.map(({ incoming, as }) => ({ id: incoming.metadata.id, as }));
}
