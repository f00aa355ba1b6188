// `wasi:io/streams` and `wasi:io/error`, over whatever gives or takes bytes.

import { Readable } from 'node:stream';
import { Err } from '../failure.js';
import { Pollable, Signal, untilReady } from './poll.js';

/** The most that one read gives or one write takes. */
const PIECE = 64 * 1024;

/** `wasi:io/error`: why a stream failed, for a log. */
export class StreamFault {
  #message;

  constructor(message) {
    this.#message = message;
  }

  toDebugString() {
    return this.#message;
  }
}

/** The answer of a stream that has ended. */
export const closed = () => new Err({ tag: 'closed' });

/** The answer of a stream that fails now. Afterwards it is closed. */
export const failed = (message) => new Err({ tag: 'last-operation-failed', val: new StreamFault(message) });

/**
 * Where bytes come from: `take` gives at most so many, none when there are none now, and throws `closed` or `failed`.
 *
 * @typedef {import('./poll.js').Source & {take: (most: number) => Uint8Array, release?: () => void}} BytesSource
 */

export class InputStream {
  #source;

  /** @param {BytesSource} source */
  constructor(source) {
    this.#source = source;
  }

  read(length) {
    return this.#source.take(piece(length));
  }

  async blockingRead(length) {
    if (length > 0n) {
      await untilReady(this.#source);
    }
    return this.read(length);
  }

  skip(length) {
    return BigInt(this.read(length).length);
  }

  async blockingSkip(length) {
    return BigInt((await this.blockingRead(length)).length);
  }

  subscribe() {
    const { signal } = this.#source;
    return new Pollable({ isReady: () => this.#source.isReady(), signal });
  }

  [Symbol.dispose]() {
    this.#source.release?.();
  }
}

/**
 * Where bytes go: `room` says how many may be written, 0 when whoever writes has to wait; both it and `write` throw
 * `closed` or `failed`. `isFlushed` says whether all of it is out of the host's hands.
 *
 * @typedef {import('./poll.js').Source & {room: () => number, write: (bytes: Uint8Array) => void,
 *   isFlushed: () => boolean, release?: () => void}} BytesSink
 */

export class OutputStream {
  #sink;
  #flushing = false;

  /** @param {BytesSink} sink */
  constructor(sink) {
    this.#sink = sink;
  }

  #room() {
    const room = this.#sink.room();
    this.#flushing &&= !this.#sink.isFlushed();
    return this.#flushing ? 0 : Math.min(room, PIECE);
  }

  /** Ready when there is room, or an error to be told. */
  #isReady() {
    try {
      return this.#room() > 0;
    } catch {
      return true;
    }
  }

  #waiting() {
    return { isReady: () => this.#isReady(), signal: this.#sink.signal };
  }

  checkWrite() {
    return BigInt(this.#room());
  }

  write(bytes) {
    if (bytes.length > this.#room()) {
      throw new Error('the connector writes more than the stream has room for');
    }
    if (bytes.length > 0) {
      this.#sink.write(bytes);
    }
  }

  async blockingWriteAndFlush(bytes) {
    for (let at = 0; at < bytes.length;) {
      await untilReady(this.#waiting());
      const part = bytes.subarray(at, at + this.#room());
      this.write(part);
      at += part.length;
    }
    await this.blockingFlush();
  }

  flush() {
    this.#room();
    this.#flushing = true;
  }

  async blockingFlush() {
    this.flush();
    await untilReady(this.#waiting());
    this.#room();
  }

  writeZeroes(length) {
    this.write(new Uint8Array(Number(length)));
  }

  blockingWriteZeroesAndFlush(length) {
    return this.blockingWriteAndFlush(new Uint8Array(piece(length)));
  }

  splice(input, length) {
    const room = Math.min(this.#room(), piece(length));
    const bytes = input.read(BigInt(room));
    this.write(bytes);
    return BigInt(bytes.length);
  }

  async blockingSplice(input, length) {
    await untilReady(this.#waiting());
    const room = Math.min(this.#room(), piece(length));
    const bytes = await input.blockingRead(BigInt(room));
    this.write(bytes);
    return BigInt(bytes.length);
  }

  subscribe() {
    return new Pollable(this.#waiting());
  }

  [Symbol.dispose]() {
    this.#sink.release?.();
  }
}

function piece(length) {
  return length > BigInt(PIECE) ? PIECE : Number(length);
}

/** The bytes of a Node.js stream: a socket, a file. */
export class NodeSource {
  signal = new Signal();
  #stream;
  #error;
  #told = false;

  /** @param {Readable} stream */
  constructor(stream) {
    this.#stream = stream;
    const changed = () => this.signal.fire();
    stream.on('readable', () => {
      this.#noticeEnd();
      changed();
    });
    stream.on('end', changed).on('close', changed);
    stream.on('error', (error) => {
      this.#error = error;
      changed();
    });
  }

  isReady() {
    return this.#stream.readableLength > 0 || this.#ended();
  }

  #ended() {
    return this.#stream.readableEnded || this.#stream.destroyed || this.#error !== undefined;
  }

  /** A stream tells its end only to those who read on. */
  #noticeEnd() {
    if (this.#stream.readableLength === 0) {
      this.#stream.read(0);
    }
  }

  take(most) {
    const there = Math.min(most, this.#stream.readableLength);
    if (there > 0) {
      const bytes = this.#stream.read(there);
      this.#noticeEnd();
      return bytes;
    }
    if (!this.#ended() || most === 0) {
      return new Uint8Array();
    }
    if (!this.#stream.readableEnded && !this.#told) {
      // Not the end: what was read so far must not be taken for the whole.
      this.#told = true;
      throw failed(this.#error?.message ?? 'it broke off');
    }
    throw closed();
  }
}

/** A stream that has nothing to give. */
export const NOTHING = {
  signal: new Signal(),
  isReady: () => true,
  take() {
    throw closed();
  },
};

export const streams = { InputStream, OutputStream };

export const ioError = { Error: StreamFault };
