// The payloads of one call: what is handed in, what is made, and what became of both.

import { refusal } from './failure.js';

/** Why a body does not come to its end. */
export class GivenUp extends Error {
  /**
   * @param {'aborted' | 'dropped' | 'refused'} how given up by the connector, let fall by it, or refused by this host
   * @param {import('./failure.js').ConnectorError} reason
   */
  constructor(how, reason) {
    super(reason.message);
    this.how = how;
    this.reason = reason;
  }
}

/** The failure of a payload of which the connector does not say what became. */
export const silent = () =>
  refusal('internal', 'the connector took the payload and did not say what became of it', { effect: 'unknown' }).payload;

/** The same content of the same thing. */
export const keyOf = ({ id, version }) => JSON.stringify([id, version]);

export class Desk {
  #call;
  #inbox;
  #limits;
  #accepted;
  #isOpen = true;
  /** Readers handed out and not settled. */
  #readers = new Set();
  /** Writers handed out and not finished. */
  #writers = new Set();
  /** Incoming payloads that readers dropped without a word. */
  #left = [];
  #acceptedHere = 0;
  /** Payloads that did not come, by id: of those begun again, the last outcome counts. */
  #lost = new Set();
  #failures = 0;
  #reports = 0;

  constructor({ call, incoming, limits, accepted }) {
    this.#call = call;
    this.#inbox = [...incoming];
    this.#limits = limits;
    this.#accepted = accepted;
  }

  get isOpen() {
    return this.#isOpen;
  }

  // What is made

  checkMetadata(metadata) {
    const most = this.#limits.metadata;
    if (sizeOf(metadata) > most) {
      throw refusal('invalid-settings', `the payload's metadata is larger than the limit \`metadata\` (${most} bytes)`);
    }
  }

  hasAccepted(metadata) {
    return this.#accepted.has(keyOf(metadata));
  }

  /** Refuses one more payload than may be made. Those on their way count: each of them may still be accepted. */
  checkCount() {
    const most = this.#limits.payloads;
    if (this.#acceptedHere + this.#lost.size + this.#writers.size >= most) {
      throw refusal('denied-by-host', `the call may not make more payloads than the limit \`payloads\` (${most})`);
    }
  }

  get mostBytes() {
    return this.#limits.body;
  }

  begun(writer) {
    this.#writers.add(writer);
  }

  finished(writer, isAccepted) {
    this.#writers.delete(writer);
    const { metadata } = writer;
    if (isAccepted) {
      this.#accepted.add(keyOf(metadata));
      this.#acceptedHere += 1;
      this.#lost.delete(metadata.id);
    } else if (!this.hasAccepted(metadata)) {
      this.#lost.add(metadata.id);
    }
  }

  // What is handed in

  /** The next payload of the inbox. */
  next() {
    return this.#inbox.shift();
  }

  opened(reader) {
    this.#readers.add(reader);
  }

  checkNote(text) {
    const most = this.#limits.metadata;
    if (Buffer.byteLength(text) > most) {
      throw refusal('denied-by-host', `the note is longer than the limit \`metadata\` (${most} bytes)`);
    }
  }

  /** Counts an outcome, and tells the flow. */
  async settled(reader, outcome) {
    this.#readers.delete(reader);
    const counted = this.#count(reader.incoming.metadata.id, outcome);
    if (counted.tag === 'fail') {
      this.#failures += 1;
    }
    await this.#call.tell('settled', reader.incoming, counted);
  }

  #count(id, outcome) {
    if (outcome.tag !== 'pass') {
      return outcome;
    }
    if (outcome.val.id !== id) {
      const message = 'the connector passed the payload on under another id';
      return { tag: 'fail', val: refusal('internal', message, { effect: 'unknown' }).payload };
    }
    try {
      this.checkMetadata(outcome.val);
      return outcome;
    } catch (error) {
      return { tag: 'fail', val: error.payload };
    }
  }

  /** A reader was dropped without `settle`. */
  left(reader) {
    if (this.#readers.delete(reader)) {
      this.#left.push(reader.incoming);
    }
  }

  reported() {
    this.#reports += 1;
  }

  // The end

  /**
   * Ends the call: handles that the connector keeps take nothing from now on.
   *
   * @param {'well' | 'error' | 'broken'} how it returned a summary, it returned an error, or it was ended by force
   */
  async close(how) {
    if (!this.#isOpen) {
      return;
    }
    this.#isOpen = false;
    await Promise.all([...this.#writers].map((writer) => writer.drop()));
    const left = [...this.#left, ...[...this.#readers].map((reader) => reader.incoming)];
    // After an error all of them count as not touched; else nobody knows. What it never took it has not touched; after a
    // call that went well, that was its choice.
    this.unsettled = left.map((incoming) => ({ incoming, as: how === 'error' ? 'untouched' : 'unknown' }));
    if (how !== 'well') {
      this.unsettled.push(...this.#inbox.map((incoming) => ({ incoming, as: 'untouched' })));
    }
  }

  /**
   * Whether all went well: nothing failed, nothing was reported, nothing was left without a word. The connector's own count
   * of failures is not asked: it also has those that came well at another try.
   */
  get isWell() {
    return this.#failures === 0 && this.#lost.size === 0 && this.#reports === 0 && this.unsettled.length === 0;
  }
}

/** The bytes of a payload's metadata, apart from numbers. */
function sizeOf({ id, version, name, contentType, attributes }) {
  const texts = [id, version ?? '', name ?? '', contentType ?? '', ...attributes.flat()];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}
