// `wasi:sockets/tcp` and `tcp-create-socket`, over the sockets of Node.js.
//
// What may be connected to, and who may connect, is asked of `reach.js` here, at the last moment before it happens.

import net from 'node:net';
import { Err } from '../failure.js';
import { socketAddressText, toSocketAddress } from './address.js';
import { Pollable, Signal } from './poll.js';
import { closed, failed, InputStream, NodeSource, OutputStream } from './streams.js';

/** Bytes of one connection that wait in this process, each way. */
const BUFFER = 256 * 1024;

const ERRORS = {
  EACCES: 'access-denied',
  EADDRINUSE: 'address-in-use',
  EADDRNOTAVAIL: 'address-not-bindable',
  ECONNABORTED: 'connection-aborted',
  ECONNREFUSED: 'connection-refused',
  ECONNRESET: 'connection-reset',
  EHOSTUNREACH: 'remote-unreachable',
  ENETUNREACH: 'remote-unreachable',
  ETIMEDOUT: 'timeout',
};

const inWords = (error) => new Err(ERRORS[error?.code] ?? 'unknown');

/** What is written to a socket. */
class SocketSink {
  signal = new Signal();
  #socket;
  #error;

  constructor(socket) {
    this.#socket = socket;
    const changed = () => this.signal.fire();
    socket.on('drain', changed).on('finish', changed).on('close', changed);
    socket.on('error', (error) => {
      this.#error = error;
      changed();
    });
  }

  room() {
    if (this.#error) {
      const { message } = this.#error;
      this.#error = undefined;
      throw failed(message);
    }
    if (!this.#socket.writable) {
      throw closed();
    }
    return Math.max(0, BUFFER - this.#socket.writableLength);
  }

  write(bytes) {
    this.#socket.write(bytes, () => this.signal.fire());
  }

  isFlushed() {
    return this.#socket.writableLength === 0;
  }
}

class TcpSocket {
  #reach;
  #family;
  /** `unbound`, `binding`, `bound`, `listening`, `connecting`, `connected` or `closed`. */
  #state = 'unbound';
  #signal = new Signal();
  #error;
  #server;
  #socket;
  #arrived = [];
  #keepAlive = { enabled: false, idle: 7_200_000_000_000n, interval: 75_000_000_000n, count: 9 };

  constructor(reach, family) {
    this.#reach = reach;
    this.#family = family;
  }

  #expect(state) {
    if (this.#state !== state) {
      throw new Err('invalid-state');
    }
  }

  #changed() {
    this.#signal.fire();
  }

  // Binding and listening. Node.js does both at once, so what is bound listens; nobody is let in before `start-listen`.

  startBind(_network, local) {
    this.#expect('unbound');
    const { address, port } = socketAddressText(local);
    if (!this.#reach.mayListen(port)) {
      throw new Err('access-denied');
    }
    this.#state = 'binding';
    this.#server = net.createServer({ allowHalfOpen: true, highWaterMark: BUFFER, noDelay: true });
    this.#server.on('connection', (socket) => this.#arrive(socket));
    this.#server.on('error', (error) => {
      this.#error = error;
      this.#changed();
    });
    this.#server.listen({ host: address, port, ipv6Only: this.#family === 'ipv6' }, () => this.#changed());
  }

  finishBind() {
    if (this.#state !== 'binding') {
      throw new Err('not-in-progress');
    }
    if (this.#error) {
      this.#state = 'closed';
      throw inWords(this.#error);
    }
    if (!this.#server.listening) {
      throw new Err('would-block');
    }
    this.#state = 'bound';
  }

  startListen() {
    this.#expect('bound');
    if (!this.#reach.mayListen(this.#server.address().port)) {
      throw new Err('access-denied');
    }
    this.#state = 'listening';
  }

  finishListen() {
    if (this.#state !== 'listening') {
      throw new Err('not-in-progress');
    }
  }

  #arrive(socket) {
    if (this.#state !== 'listening' || !this.#reach.mayAccept(socket.remoteAddress)) {
      socket.destroy();
      return;
    }
    this.#arrived.push(socket);
    this.#changed();
  }

  accept() {
    this.#expect('listening');
    const socket = this.#arrived.shift();
    if (socket === undefined) {
      throw new Err('would-block');
    }
    const accepted = new TcpSocket(this.#reach, this.#family);
    return [accepted, ...accepted.#adopt(socket)];
  }

  // Connecting

  startConnect(_network, remote) {
    if (this.#state !== 'unbound') {
      throw new Err('invalid-state');
    }
    const { address, port } = socketAddressText(remote);
    if (!this.#reach.mayConnect(address, port)) {
      throw new Err('access-denied');
    }
    this.#state = 'connecting';
    const socket = new net.Socket({ allowHalfOpen: true, readableHighWaterMark: BUFFER });
    this.#socket = socket;
    socket.once('connect', () => this.#changed());
    socket.on('error', (error) => {
      this.#error = error;
      this.#changed();
    });
    socket.connect({ host: address, port, noDelay: true });
  }

  finishConnect() {
    if (this.#state !== 'connecting') {
      throw new Err('not-in-progress');
    }
    if (this.#error) {
      this.#state = 'closed';
      throw inWords(this.#error);
    }
    if (this.#socket.connecting) {
      throw new Err('would-block');
    }
    const { remoteAddress, remotePort } = this.#socket;
    this.#reach.connected(this, remoteAddress, remotePort);
    for (const end of ['end', 'error', 'close']) {
      this.#socket.once(end, () => this.#reach.ended(this));
    }
    return this.#adopt(this.#socket);
  }

  #adopt(socket) {
    this.#state = 'connected';
    this.#socket = socket;
    return [new InputStream(new NodeSource(socket)), new OutputStream(new SocketSink(socket))];
  }

  shutdown(how) {
    this.#expect('connected');
    if (how !== 'receive') {
      this.#socket.end();
    }
  }

  [Symbol.dispose]() {
    this.#reach.ended(this);
    this.#state = 'closed';
    this.#arrived.forEach((socket) => socket.destroy());
    this.#server?.close();
    // What was written still goes out.
    this.#socket?.on('error', () => {});
    this.#socket?.connecting ? this.#socket.destroy() : this.#socket?.destroySoon();
  }

  subscribe() {
    return new Pollable({ isReady: () => this.#isReady(), signal: this.#signal });
  }

  #isReady() {
    switch (this.#state) {
      case 'binding': return this.#server.listening || this.#error !== undefined;
      case 'connecting': return !this.#socket.connecting || this.#error !== undefined;
      case 'listening': return this.#arrived.length > 0;
      default: return true;
    }
  }

  // What it is

  localAddress() {
    const { address, port } = this.#socket?.address() ?? this.#server?.address() ?? {};
    if (address === undefined) {
      throw new Err('invalid-state');
    }
    return toSocketAddress(address, port);
  }

  remoteAddress() {
    if (this.#socket?.remoteAddress === undefined) {
      throw new Err('invalid-state');
    }
    return toSocketAddress(this.#socket.remoteAddress, this.#socket.remotePort);
  }

  isListening() {
    return this.#state === 'listening';
  }

  addressFamily() {
    return this.#family;
  }

  // Settings. Node.js lets one choose whether and when to keep alive; the rest is the system's, and kept as it was asked.

  setListenBacklogSize(size) {
    positive(size);
  }

  #applyKeepAlive() {
    this.#socket?.setKeepAlive(this.#keepAlive.enabled, Number(this.#keepAlive.idle / 1_000_000n));
  }

  keepAliveEnabled() {
    return this.#keepAlive.enabled;
  }

  setKeepAliveEnabled(enabled) {
    this.#keepAlive.enabled = enabled;
    this.#applyKeepAlive();
  }

  keepAliveIdleTime() {
    return this.#keepAlive.idle;
  }

  setKeepAliveIdleTime(time) {
    this.#keepAlive.idle = positive(time);
    this.#applyKeepAlive();
  }

  keepAliveInterval() {
    return this.#keepAlive.interval;
  }

  setKeepAliveInterval(time) {
    this.#keepAlive.interval = positive(time);
  }

  keepAliveCount() {
    return this.#keepAlive.count;
  }

  setKeepAliveCount(count) {
    this.#keepAlive.count = positive(count);
  }

  hopLimit() {
    throw new Err('not-supported');
  }

  setHopLimit() {
    throw new Err('not-supported');
  }

  receiveBufferSize() {
    return BigInt(BUFFER);
  }

  setReceiveBufferSize(size) {
    positive(size);
  }

  sendBufferSize() {
    return BigInt(BUFFER);
  }

  setSendBufferSize(size) {
    positive(size);
  }
}

function positive(value) {
  if (value <= 0) {
    throw new Err('invalid-argument');
  }
  return value;
}

export const tcp = { TcpSocket };

/** @param {import('../reach.js').Reach} reach */
export function tcpCreateSocket(reach) {
  return { createTcpSocket: (family) => new TcpSocket(reach, family) };
}
