// `writer` of `flow:connector/exchange`: a payload on its way into the flow.

import { Readable } from 'node:stream';
import { GivenUp, silent } from '../desk.js';
import { refusal } from '../failure.js';
import { Signal } from '../wasi/poll.js';
import { closed, failed, OutputStream } from '../wasi/streams.js';

/** Bytes of one body that wait for the flow. What is beyond has to wait in the connector. */
const BUFFER = 512 * 1024;

export class Writer {
  metadata;
  #call;
  #body;
  #signal = new Signal();
  #received;
  #written = 0n;
  #opened = false;
  #failure;
  #isOver = false;

  /**
   * @param {import('../call.js').Call} call
   * @param {import('../call.js').Metadata} metadata
   * @param {import('../call.js').Receive} receive
   */
  constructor(call, metadata, receive) {
    this.metadata = metadata;
    this.#call = call;
    this.#body = new Readable({ highWaterMark: BUFFER, read: () => this.#signal.fire() });
    this.#body.on('error', () => {}); // Whoever reads it hears of it.
    this.#received = this.#receive(receive);
    call.desk.begun(this);
  }

  /** Hands the body to the flow. When the flow fails, the connector is told at once: its stream fails. */
  async #receive(receive) {
    try {
      await receive(this.#body);
      this.#body.resume(); // What it did not want to read.
    } catch (error) {
      this.#fail(error.payload ?? refusal('data', `the flow cannot take the payload: ${error.message}`).payload);
    }
  }

  #fail(reason) {
    this.#failure ??= reason;
    this.#signal.fire();
  }

  // The body

  body() {
    this.#checkOpen();
    if (this.#opened) {
      throw new Error('the connector asked twice for the body of one writer');
    }
    this.#opened = true;
    return new OutputStream({
      signal: this.#signal,
      isReady: () => true,
      room: () => this.#room(),
      write: (bytes) => this.#write(bytes),
      isFlushed: () => true,
    });
  }

  #room() {
    if (this.#isOver) {
      throw closed();
    }
    if (this.#failure) {
      throw failed(this.#failure.message);
    }
    return Math.max(0, BUFFER - this.#body.readableLength);
  }

  #write(bytes) {
    this.#written += BigInt(bytes.length);
    const most = this.#call.desk.mostBytes;
    if (this.#written > BigInt(most)) {
      this.#fail(refusal('denied-by-host', `the payload is larger than the limit \`body\` (${most} bytes)`).payload);
      throw failed(this.#failure.message);
    }
    this.#body.push(bytes);
  }

  // The end

  /** Returns when the flow has accepted the payload for good. */
  static async finish(writer) {
    writer.#checkOpen();
    const problem = writer.#problem();
    if (problem) {
      await writer.#giveUp('refused', problem);
      throw refusal(problem.kind, problem.message, problem);
    }
    writer.#isOver = true;
    writer.#body.push(null);
    await writer.#received;
    writer.#call.desk.finished(writer, !writer.#failure);
    if (writer.#failure) {
      writer.#body.destroy();
      throw refusal(writer.#failure.kind, writer.#failure.message, writer.#failure);
    }
  }

  /** Why the payload cannot be accepted, if it cannot. */
  #problem() {
    const { size } = this.metadata;
    if (this.#call.isCancelled) {
      return refusal('cancelled', 'the run is being cancelled').payload;
    }
    if (this.#failure) {
      return this.#failure;
    }
    if (size !== undefined && size !== this.#written) {
      const message = `the body has ${this.#written} bytes, and its metadata said ${size}`;
      return refusal('data', message, { retry: { tag: 'backoff' } }).payload;
    }
    if (this.#call.desk.hasAccepted(this.metadata)) {
      return refusal('conflict', 'the payload was accepted from another writer since it was begun').payload;
    }
    return undefined;
  }

  static async abort(writer, reason) {
    writer.#checkOpen();
    await writer.#giveUp('aborted', reason);
  }

  /** Dropped without `finish`, by the connector or by the end of its call: given up. */
  async drop() {
    await this.#giveUp('dropped', silent());
  }

  [Symbol.dispose]() {
    return this.drop();
  }

  /** The flow forgets the bytes; the stream takes no more, should the connector have kept it. */
  async #giveUp(how, reason) {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#signal.fire();
    this.#call.desk.finished(this, false);
    if (!this.#body.destroyed) {
      const told = new Promise((resolve) => this.#body.once('close', resolve));
      this.#body.destroy(new GivenUp(how, reason));
      await told;
    }
  }

  #checkOpen() {
    if (!this.#call.desk.isOpen) {
      throw new Error('the connector uses a writer of a call that has ended');
    }
  }
}
