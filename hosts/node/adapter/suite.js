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
      offered: async (metadata) => {
        const payload = this.#number();
        const { offer } = await this.#ask({ call, event: 'offered', metadata: toJson(metadata), payload });
        return offer === 'accept' ? (body) => this.#receive(call, payload, body) : offer;
      },
      noted: ({ metadata }, text) => this.#ask({ call, event: 'noted', id: metadata.id, text }),
      settled: ({ metadata }, outcome) => tell({ event: 'settled', id: metadata.id, outcome: outcomeToJson(outcome) }),
      reported: (id, problem) => tell({ event: 'reported', id, error: errorToJson(problem) }),
      log: (level, message) => tell({ event: 'log', level, message }),
      progress: (what, done, total) => tell({ event: 'progress', what, done: toJson(done), total: toJson(total) }),
    };
  }

  async #receive(call, payload, body) {
    const pace = new Pace(body, (data) => this.#send({ call, event: 'data', payload, data: data.toString('base64') }));
    this.#bodies.set(payload, pace);
    try {
      await pace.ended;
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

  constructor(body, hand) {
    this.#body = body;
    this.#hand = hand;
    this.ended = new Promise((resolve, reject) => {
      body.once('end', resolve);
      body.once('error', reject);
    });
    body.on('readable', () => this.#move());
  }

  allow(bytes) {
    this.#allowed += bytes;
    this.#move();
  }

  #move() {
    for (;;) {
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
