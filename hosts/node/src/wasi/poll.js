// `wasi:io/poll`: waiting for one or several things to become ready.

/** Wakes whoever waits for a change. */
export class Signal {
  #waiting = new Set();

  fire() {
    for (const wake of [...this.#waiting]) {
      wake();
    }
  }

  add(wake) {
    this.#waiting.add(wake);
  }

  delete(wake) {
    this.#waiting.delete(wake);
  }
}

/**
 * Something that one can wait for: a stream, a timer, a socket.
 *
 * @typedef {{isReady: () => boolean, signal: Signal}} Source
 */

/** Resolves once one of the sources is ready. */
export async function untilReady(...sources) {
  while (!sources.some((source) => source.isReady())) {
    await new Promise((resolve) => {
      const wake = () => {
        sources.forEach(({ signal }) => signal.delete(wake));
        resolve();
      };
      sources.forEach(({ signal }) => signal.add(wake));
    });
  }
}

export class Pollable {
  #source;

  /** @param {Source} source */
  constructor(source) {
    this.#source = source;
  }

  ready() {
    return this.#source.isReady();
  }

  block() {
    return untilReady(this.#source);
  }

  static async poll(pollables) {
    if (pollables.length === 0) {
      throw new Error('the connector waits for nothing');
    }
    await untilReady(...pollables.map((pollable) => pollable.#source));
    return [...pollables.keys()].filter((index) => pollables[index].ready());
  }

  [Symbol.dispose]() {
    this.#source.release?.();
  }
}

/** What is ready from the start. */
export const ALWAYS = { isReady: () => true, signal: new Signal() };

export const poll = { Pollable, poll: (pollables) => Pollable.poll(pollables) };
