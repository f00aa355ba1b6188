// What the operator allows, whatever a connector asks for.

import net from 'node:net';
import { canonical } from './wasi/address.js';

/**
 * @typedef {object} PolicyRules
 * @property {string[]} [allow] who may be reached: `HOST:PORT`, `HOST:FIRST-LAST`, or `*` for anybody. An IPv6 address stands
 *   in brackets. A name allows what it leads to, when the connector asks for it by that name.
 * @property {boolean} [listen] whether connectors may wait for connections
 * @property {boolean} [insecureTls] whether connectors may trust servers that prove nothing
 * @property {Record<string, {certificate: string, key: string}>} [clientCertificates] PEM, by name
 */

export class Policy {
  #targets;

  /** @param {PolicyRules} [rules] nothing is allowed without any */
  constructor({ allow = [], listen = false, insecureTls = false, clientCertificates = {} } = {}) {
    this.#targets = allow.map(parse);
    this.mayListen = listen;
    this.insecureTls = insecureTls;
    this.clientCertificates = new Map(Object.entries(clientCertificates));
  }

  /** Whether at least one of the ports of a host may be reached, which is known by this name and has this address. */
  allows(name, address, first, last = first) {
    const hosts = [normalize(name), normalize(address)];
    return this.#targets.some(
      (target) => (target.host === '*' || hosts.includes(target.host)) && target.first <= last && first <= target.last,
    );
  }
}

/** Names and addresses that mean the same are the same text. */
export function normalize(host) {
  const bare = host.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '').toLowerCase();
  return net.isIP(bare) ? canonical(bare) : bare;
}

function parse(rule) {
  if (rule === '*') {
    return { host: '*', first: 0, last: 65535 };
  }
  const [, host, first, last = first] = /^(.+):(\d+)(?:-(\d+))?$/.exec(rule) ?? [];
  if (host === undefined || Number(last) > 65535 || Number(first) > Number(last)) {
    throw new TypeError(`${JSON.stringify(rule)} is no rule: write HOST:PORT, HOST:FIRST-LAST, or *`);
  }
  return { host: normalize(host), first: Number(first), last: Number(last) };
}
