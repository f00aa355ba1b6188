// What can go wrong, apart: the contract wants a trap, a time-out and a connector's own error never to be mixed up.

/**
 * The contract's `error`: what a connector returns, and what it gets from this host.
 *
 * @typedef {object} ConnectorError
 * @property {string} kind
 * @property {string} message
 * @property {string} [code]
 * @property {{tag: 'never' | 'backoff'} | {tag: 'after-ms', val: bigint}} retry
 * @property {'none' | 'partial' | 'unknown'} effect
 * @property {string} [details] JSON
 */

/** Something went wrong; `kind` says what, in the words of the conformance suite. */
export class Failure extends Error {
  constructor(kind, message, more = {}) {
    super(message, more);
    this.name = new.target.name;
    this.kind = kind;
  }
}

/** It cannot be loaded, its instance is gone, or what it was to be called with does not fit. Nothing was tried. */
export class Refused extends Failure {
  constructor(message) {
    super('refused', message);
  }
}

/** The plan of a call is not allowed. */
export class PolicyRefused extends Failure {
  constructor(message) {
    super('policy', message);
  }
}

/** The connector returned an error. It is handed on as it came. */
export class ConnectorFailed extends Failure {
  /** @param {ConnectorError} error */
  constructor(error) {
    super('connector', error.message);
    this.error = error;
  }
}

/** The connector broke down. Its instance is gone. */
export class Trap extends Failure {
  constructor(message) {
    super('trap', message);
  }
}

/** The call went on for longer than it may. Its instance is gone. */
export class TimeOut extends Failure {
  constructor(limit) {
    super('time-out', `the call did not end within ${limit} ms`);
  }
}

/** The call did not end although it was asked to. Its instance is gone. */
export class Cancelled extends Failure {
  constructor() {
    super('cancelled', 'the call was cancelled, and did not end by itself');
  }
}

/** This host, or the program around it, made a mistake. */
export class HostFailed extends Failure {
  constructor(message, cause) {
    super('host', message, { cause });
  }
}

/** What a function of the host answers in place of its result: the `err` of a WIT `result`. */
export class Err extends Error {
  constructor(payload) {
    super(typeof payload === 'string' ? payload : (payload.message ?? payload.tag));
    this.payload = payload;
  }
}

/**
 * An error for the connector, in the contract's form.
 *
 * @param {string} kind
 * @param {string} message
 * @param {Partial<ConnectorError>} [more]
 * @returns {Err}
 */
export function refusal(kind, message, more = {}) {
  return new Err({ kind, message, code: undefined, retry: { tag: 'never' }, effect: 'none', details: undefined, ...more });
}
