// `reader` of `flow:connector/exchange`: a payload that arrived from the step before.

import { refusal } from '../failure.js';
import { InputStream, NodeSource } from '../wasi/streams.js';

export class Reader {
  incoming;
  #call;

  /**
   * @param {import('../call.js').Call} call
   * @param {import('../call.js').Incoming} incoming
   */
  constructor(call, incoming) {
    this.incoming = incoming;
    this.#call = call;
    call.desk.opened(this);
  }

  #checkOpen() {
    if (!this.#call.desk.isOpen) {
      throw new Error('the connector uses a reader of a call that has ended');
    }
  }

  metadata() {
    this.#checkOpen();
    return this.incoming.metadata;
  }

  options() {
    this.#checkOpen();
    return this.incoming.options;
  }

  /** A new stream from the start, at each call. */
  async body() {
    this.#checkOpen();
    if (this.incoming.body === null) {
      return undefined;
    }
    try {
      const stream = await this.incoming.body();
      const source = new NodeSource(stream);
      source.release = () => stream.destroy();
      return new InputStream(source);
    } catch (error) {
      throw refusal('internal', `the body of the payload cannot be read: ${error.message}`);
    }
  }

  earlier() {
    this.#checkOpen();
    return this.incoming.earlier ?? undefined;
  }

  /** Returns when the flow has the text safe. */
  async note(text) {
    this.#checkOpen();
    this.#call.desk.checkNote(text);
    await this.#call.tell('noted', this.incoming, text);
  }

  static async settle(reader, outcome) {
    reader.#checkOpen();
    await reader.#call.desk.settled(reader, outcome);
  }

  [Symbol.dispose]() {
    this.#call.desk.left(this);
  }
}
