// The suite as the flow around a connector: it is told what happens, answers what is asked, and takes bodies at its pace.

import { Err } from '../src/index.js';
import { errorFromJson, errorToJson, outcomeToJson, toJson } from './json.js';

/** The two lines of speech with the suite. */
export class Suite {
  #send;
  #lastNumber = 0;
  /** What waits for the suite's answer, by number. */
  #asked = new Map();
  /** Bodies on their way, by number. */
  #bodies = new Map();

  /** @param {(line: object) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /** Takes a line that is no request. */
  hear(line) {
    if ('take' in line) {
      this.#bodies.get(line.take)?.allow(line.bytes);
    } else {
      this.#asked.get(line.answer)?.(line);
      this.#asked.delete(line.answer);
    }
  }

  #number() {
    this.#lastNumber += 1;
    return this.#lastNumber;
  }

  /** Asks the suite, and fails with the error that it answers. */
  async #ask(event) {
    const ask = this.#number();
    const answered = new Promise((resolve) => {
      this.#asked.set(ask, resolve);
    });
    this.#send({ ...event, ask });
    const answer = await answered;
    if (answer.error) {
      throw new Err(errorFromJson(answer.error));
    }
    return answer;
  }

  /**
   * The flow around one call.
   *
   * @param {number} call the request's id
   * @returns {import('../src/call.js').Flow}
   */
  flow(call) {
    const tell = (event) => this.#send({ call, ...event });
    return {
      offered: (metadata) => this.#offer(call, metadata),
      noted: ({ metadata }, text) => this.#ask({ call, event: 'noted', id: metadata.id, text }),
      settled: ({ metadata }, outcome) => tell({ event: 'settled', id: metadata.id, outcome: outcomeToJson(outcome) }),
      reported: (id, problem) => tell({ event: 'reported', id, error: errorToJson(problem) }),
      log: (level, message) => tell({ event: 'log', level, message }),
      progress: (what, done, total) => tell({ event: 'progress', what, done: toJson(done), total: toJson(total) }),
    };
  }

  async #offer(call, metadata) {
    const payload = this.#number();
    const pace = new Pace((data) => this.#send({ call, event: 'data', payload, data: data.toString('base64') }));
    // Before it is offered: the suite may ask for bytes in the same breath in which it accepts.
    this.#bodies.set(payload, pace);
    let offer;
    try {
      ({ offer } = await this.#ask({ call, event: 'offered', metadata: toJson(metadata), payload }));
    } finally {
      if (offer !== 'accept') {
        this.#bodies.delete(payload);
      }
    }
    return offer === 'accept' ? (body) => this.#receive(call, payload, pace, body) : offer;
  }

  async #receive(call, payload, pace, body) {
    try {
      await pace.pass(body);
    } catch (given) {
      this.#send({ call, event: 'gone', payload, ...gone(given) });
      throw given;
    } finally {
      this.#bodies.delete(payload);
    }
    await this.#ask({ call, event: 'finishing', payload });
  }
}

function gone({ how, reason }) {
  return how === 'dropped' ? { how } : { how, reason: errorToJson(reason) };
}

/** Hands on no more of a body than was asked for. The rest stays where it is, and so does the connector. */
class Pace {
  #body;
  #hand;
  #allowed = 0;

  constructor(hand) {
    this.#hand = hand;
  }

  /** Resolves when the body has ended, and fails when it does not come to its end. */
  pass(body) {
    this.#body = body;
    return new Promise((resolve, reject) => {
      body.once('end', resolve);
      body.once('error', reject);
      body.on('readable', () => this.#move());
    });
  }

  allow(bytes) {
    this.#allowed += Number(bytes);
    this.#move();
  }

  #move() {
    while (this.#body) {
      const now = Math.min(this.#allowed, this.#body.readableLength);
      // Reading nothing tells the end of a body that has ended.
      const data = this.#body.read(now);
      if (data === null || data.length === 0) {
        return;
      }
      this.#allowed -= data.length;
      this.#hand(data);
    }
  }
}
