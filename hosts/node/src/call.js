// One call of an endpoint, or of `check`: its time, whether it is to end, and its payloads.

import { Desk } from './desk.js';
import { Err, HostFailed } from './failure.js';

/**
 * What is around a connector: the flow that it works for. Each function may be asynchronous, and the connector waits for
 * what it resolves with. What an `Err` of it says (`refusal`) goes to the connector.
 *
 * @typedef {object} Flow
 * @property {(metadata: Metadata) => 'skip' | 'accepted' | 'stop' | Receive} [offered] whether the flow wants a payload; a function
 *   that takes its body means yes. Without `offered` the flow wants none.
 * @property {(incoming: Incoming, text: string) => void} [noted] keeps a text for `earlier`; it has to be safe on return
 * @property {(incoming: Incoming, outcome: Outcome) => void} [settled] what became of an incoming payload
 * @property {(id: string, problem: import('./failure.js').ConnectorError) => void} [reported] a problem with a payload that is safe
 * @property {(level: string, message: string) => void} [log]
 * @property {(what: string, done: bigint, total?: bigint) => void} [progress]
 *
 * @typedef {(body: import('node:stream').Readable) => Promise<void>} Receive takes a body, and resolves once the payload is
 *   accepted for good. The body ends when it is whole. Otherwise it fails with a `GivenUp` that says why.
 *
 * @typedef {object} Metadata the contract's `metadata`: `id`, `version`, `name`, `contentType`, `size`, `modifiedMs`, `attributes`
 *
 * @typedef {object} Incoming a payload to hand in
 * @property {Metadata} metadata
 * @property {string} options the endpoint's options for it, JSON with its templates filled in
 * @property {null | (() => import('node:stream').Readable)} body opens it; each time from the start
 * @property {null | {note?: string}} [earlier] what is known of an earlier try that may have done something
 *
 * @typedef {{tag: 'pass', val: Metadata} | {tag: 'consume'} | {tag: 'fail', val: import('./failure.js').ConnectorError}} Outcome
 */

export class Call {
  #deadline;
  #isCancelled = false;
  #flow;

  /**
   * @param {object} about
   * @param {string} about.runId
   * @param {number} about.attempt
   * @param {string} about.logThreshold
   * @param {number} about.limitMs
   * @param {Flow} about.flow
   * @param {Incoming[]} about.incoming
   * @param {object} about.limits
   * @param {Set<string>} about.accepted what the run has accepted
   * @param {boolean} [about.takesPayloads] not so in a check
   */
  constructor({ runId, attempt, logThreshold, limitMs, flow, incoming, limits, accepted, takesPayloads = true }) {
    this.runId = runId;
    this.takesPayloads = takesPayloads;
    this.attempt = attempt;
    this.logThreshold = logThreshold;
    this.#flow = flow;
    this.limitMs = limitMs;
    this.#deadline = performance.now() + limitMs;
    this.desk = new Desk({ call: this, incoming, limits, accepted });
  }

  /** Asks or tells the flow something, and waits for what it says. */
  async tell(what, ...about) {
    try {
      return await this.#flow[what]?.(...about);
    } catch (error) {
      throw error instanceof Err ? error : new HostFailed(`the flow failed in \`${what}\`: ${error.message}`, error);
    }
  }

  /** Milliseconds until the call is ended by force. */
  remaining() {
    return Math.max(0, Math.ceil(this.#deadline - performance.now()));
  }

  get isCancelled() {
    return this.#isCancelled;
  }

  /** Asks the connector to end. There is no way back. */
  cancel() {
    this.#isCancelled = true;
  }
}
