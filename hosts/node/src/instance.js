// A live connector: one instance within one run.

import { Call } from './call.js';
import { camel } from './component/accept.js';
import { Cancelled, ConnectorFailed, Err, Failure, HostFailed, TimeOut, Trap } from './failure.js';
import { provide } from './imports/index.js';
import { Policy } from './policy.js';
import { Reach } from './reach.js';
import { Bridge } from './thread/bridge.js';

/** For what needs no time to speak of: a start, `describe`, `plan`. */
const QUICK_MS = 10_000;

/** How long a connector may go on after it was asked to end. A second is soon, says the contract. */
const GRACE_MS = 3_000;

/** The same, when its time is up: it has seen that coming. */
const LATE_MS = 500;

/** What a limit is when nobody says. */
const LIMITS = { body: 2 ** 40, metadata: 10 * 1024, payloads: 100_000 };

/** The last of what a connector printed goes into the message of its trap. */
const LAST_WORDS = 2_000;

/** A timer of Node.js that is longer fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

const CONTRACT = 'flow:connector/';

/**
 * @typedef {object} Run
 * @property {string} runId
 * @property {Policy} [policy] nothing may be reached without one
 * @property {{body?: number, metadata?: number, payloads?: number}} [limits] bytes of a payload's body, bytes of its metadata
 *   or of a note, payloads made in one call
 * @property {string} [logThreshold] the quietest level to keep; `info` when left out
 *
 * @typedef {object} Settings
 * @property {string} connection JSON
 * @property {string} options JSON
 */

export class Instance {
  #bridge;
  #program;
  #connector;
  #run;
  #limits;
  #reach;
  #call;
  /** The function that runs now and may call no import of the contract, if it is such a one. */
  #mute = 'its start';
  #isBusy = false;
  #accepted = new Set();
  #printed = '';

  /** Use `Connector.start`. */
  constructor(program, run, connector) {
    const { policy = new Policy(), limits = {} } = run;
    this.#program = program;
    this.#run = run;
    this.#connector = connector;
    this.#limits = { ...LIMITS, ...limits };
    this.#reach = new Reach(policy);
    const imports = provide({
      call: () => this.#call,
      policy,
      reach: this.#reach,
      print: (bytes) => {
        this.#printed = (this.#printed + Buffer.from(bytes).toString()).slice(-LAST_WORDS);
      },
    });
    this.#bridge = new Bridge(program, imports, (imported) => this.#mayCall(imported));
  }

  static async start(program, run, connector) {
    const instance = new Instance(program, run, connector);
    await instance.#within(QUICK_MS, () => instance.#bridge.start());
    return instance;
  }

  /** Whether it can be called: not after a trap, a time-out or an end by force. */
  get isAlive() {
    return this.#bridge.isAlive;
  }

  /** Ends it, with all its connections. */
  end() {
    this.#bridge.kill(new HostFailed('the instance was ended'));
  }

  /** A connector does one thing at a time. */
  async #alone(work) {
    if (this.#isBusy) {
      throw new HostFailed('the instance does another call already');
    }
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
    }
  }

  #mayCall({ interface: where, name }) {
    if (where.startsWith(CONTRACT) && this.#mute !== undefined) {
      throw new Trap(`${this.#mute} called ${where}#${name}, and may call no import of the contract`);
    }
  }

  // What may call no import

  describe() {
    return this.#alone(() => this.#quietly('describe', []));
  }

  /**
   * Asks what a call would reach.
   *
   * @param {string | undefined} endpoint for none, what `check` would reach
   * @param {Settings} settings
   * @returns {Promise<object[]>} the contract's list of `egress`
   */
  plan(endpoint, settings) {
    return this.#alone(() => this.#plan(endpoint, settings));
  }

  async #plan(endpoint, { connection, options }) {
    this.#connector.checkConnection(connection);
    if (endpoint !== undefined) {
      this.#connector.checkOptions(endpoint, options, { templates: true });
    }
    return this.#quietly('plan', [endpoint, { connection, options }]);
  }

  #quietly(name, args) {
    this.#mute = name;
    return this.#within(QUICK_MS, () => this.#bridge.call(this.#program.connector, name, args));
  }

  /** Waits for an answer, and ends the instance when it does not come in time. */
  async #within(limit, answer) {
    const timer = setTimeout(() => this.#bridge.kill(new TimeOut(limit)), limit);
    try {
      return await answer();
    } catch (error) {
      throw this.#explain(error);
    } finally {
      clearTimeout(timer);
    }
  }

  #explain(error) {
    if (error instanceof Err) {
      return new ConnectorFailed(error.payload);
    }
    if (error instanceof Trap && this.#printed !== '') {
      return new Trap(`${error.message}\nThe connector printed: ${this.#printed.trim()}`);
    }
    return error;
  }

  // What does the work

  /**
   * Connects, signs in, and tells what it found.
   *
   * @param {object} about
   * @param {string} about.connection JSON
   * @param {boolean} [about.probeWrite]
   * @param {number} about.limitMs
   * @param {import('./call.js').Flow} [about.flow]
   * @param {AbortSignal} [about.signal] cancels it
   * @returns {Promise<object[]>} the contract's list of `check-step`
   */
  check(about) {
    return this.#alone(() => this.#check(about));
  }

  async #check({ connection, probeWrite = false, limitMs, flow = {}, signal }) {
    await this.#grant(undefined, { connection, options: '{}' });
    const call = this.#newCall({ attempt: 1, limitMs, flow, incoming: [], takesPayloads: false });
    return this.#make(call, signal, this.#program.connector, 'check', [connection, probeWrite]);
  }

  /**
   * Calls an endpoint.
   *
   * @param {string} endpoint
   * @param {object} about
   * @param {string} about.connection JSON
   * @param {string} about.options JSON
   * @param {number} [about.attempt]
   * @param {number} about.limitMs after which it is ended by force
   * @param {import('./call.js').Flow} [about.flow]
   * @param {import('./call.js').Incoming[]} about.incoming
   * @param {AbortSignal} [about.signal] cancels it
   * @returns {Promise<{summary: object, well: boolean, unsettled: object[]}>} a `Failure` has `unsettled`, too
   */
  call(endpoint, about) {
    return this.#alone(() => this.#callEndpoint(endpoint, about));
  }

  async #callEndpoint(endpoint, { connection, options, attempt = 1, limitMs, flow = {}, incoming, signal }) {
    const call = this.#newCall({ attempt, limitMs, flow, incoming });
    try {
      await this.#grant(endpoint, { connection, options });
      for (const one of incoming) {
        this.#connector.checkOptions(endpoint, one.options);
      }
      const where = this.#program.endpoints.get(endpoint);
      const summary = await this.#make(call, signal, where, camel(endpoint), [{ connection, options }]);
      return { summary, well: call.desk.isWell, unsettled: call.desk.unsettled };
    } catch (error) {
      if (error instanceof Failure) {
        await call.desk.close('error'); // Unless it was made, and is closed by how it ended.
        error.unsettled = call.desk.unsettled;
      }
      throw error;
    }
  }

  #newCall(about) {
    const { runId, logThreshold = 'info' } = this.#run;
    return new Call({ ...about, runId, logThreshold, limits: this.#limits, accepted: this.#accepted });
  }

  /** Asks for the plan and grants it: a call reaches what its plan asks for, and the policy allows. */
  async #grant(endpoint, settings) {
    await this.#reach.grant(await this.#plan(endpoint, settings));
  }

  async #make(call, signal, where, name, args) {
    this.#call = call;
    this.#mute = undefined;
    const guard = this.#guard(call, signal);
    let how = 'broken';
    try {
      const returned = await this.#bridge.call(where, name, args);
      how = 'well';
      return returned;
    } catch (error) {
      how = error instanceof Err ? 'error' : 'broken';
      throw this.#explain(error);
    } finally {
      guard.release();
      this.#mute = 'the time between two calls';
      await call.desk.close(how);
    }
  }

  /** Ends the call when its time is up, or when it is cancelled: first it is asked to, and soon afterwards made to. */
  #guard(call, signal) {
    const timers = new Set();
    const later = (wait, act) => timers.add(setTimeout(act, Math.min(wait, LONGEST_TIMER)));
    const end = (grace, failure) => {
      call.cancel();
      later(grace, () => this.#bridge.kill(failure));
    };
    later(call.remaining(), () => end(LATE_MS, new TimeOut(call.limitMs)));
    const cancel = () => end(GRACE_MS, new Cancelled());
    if (signal?.aborted) {
      cancel();
    }
    signal?.addEventListener('abort', cancel);
    return {
      release() {
        timers.forEach((timer) => clearTimeout(timer));
        signal?.removeEventListener('abort', cancel);
      },
    };
  }
}
