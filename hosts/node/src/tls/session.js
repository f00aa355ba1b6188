// One TLS connection without a socket: records go in, records come out, and the connector carries them.
//
// Node.js has TLS for sockets alone. Here its socket is a pair of buffers: what `decrypt` is given, the TLS engine reads;
// what the engine writes, the next answer gives. OpenSSL works while it is handed its bytes; a turn of the event loop
// later, the last of what it has to say has come out.

import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import net from 'node:net';
import tls from 'node:tls';
import { describe } from './certificate.js';
import { fault, isAlert, openSslFault } from './fault.js';

const CLOSE_NOTIFY = 0;
const UNEXPECTED_MESSAGE = 10;
const WARNING = 1;
const FATAL = 2;

/** An alert in clear text, as a client may send it while the handshake goes on (RFC 8446, section 5.1; RFC 5246, 7.2). */
const alertRecord = (level, code) => Uint8Array.of(21, 3, 3, 0, 2, level, code);

export class Session {
  #context;
  #name;
  #wire;
  #socket;
  #records = [];
  #plaintext = [];
  #first = Buffer.alloc(0);
  #handshaking = true;
  #peerClosed = false;
  #closed = false;
  #fault;
  #alert;
  /** The server's, once it is judged well, or that of the session that is resumed. */
  #certificate;
  #resumes;
  #info;

  /**
   * @param {import('./context.js').Context} context
   * @param {string} name the server's
   */
  constructor(context, name) {
    this.#context = context;
    this.#name = name;
    this.#resumes = context.ticket();
    this.#wire = new Duplex({
      read() {},
      write: (records, _encoding, done) => {
        this.#records.push(records);
        done();
      },
    });
    this.#socket = tls.connect({
      ...context.options,
      socket: this.#wire,
      servername: net.isIP(name) ? '' : name,
      session: this.#resumes?.ticket,
      // Judged here and not by Node.js, which would do it after the handshake.
      rejectUnauthorized: false,
      // Makes OpenSSL stop for a moment when it has the server's certificate and has not answered it yet.
      requestOCSP: true,
    });
    this.#listen();
  }

  #listen() {
    const socket = this.#socket;
    socket.on('OCSPResponse', () => this.#judge());
    socket.on('secureConnect', () => this.#agreed());
    socket.on('session', (ticket) => this.#context.keep({ ticket, certificate: this.#certificate }));
    socket.on('data', (bytes) => this.#plaintext.push(bytes));
    socket.on('end', () => {
      this.#peerClosed = true;
    });
    socket.on('error', (error) => this.#broken(error));
  }

  #broken(error) {
    const anonymous = this.#certificate !== undefined && !this.#context.hasIdentity;
    this.#fault ??= openSslFault(error, { name: this.#name, first: this.#first, anonymous });
    // OpenSSL has written its alert, unless it did not get so far.
    const written = this.#take();
    const silent = written.length === 0 && this.#handshaking && !isAlert(error);
    this.#alert ??= silent ? alertRecord(FATAL, UNEXPECTED_MESSAGE) : written;
  }

  /** Judges the server's certificate before it is answered: neither our certificate nor any data goes out otherwise. */
  #judge() {
    const certificate = this.#socket.getPeerX509Certificate();
    if (certificate === undefined) {
      return; // A session is resumed: its certificate was judged when it began.
    }
    // What OpenSSL found of the chain. Node.js tells it only after the handshake, except for this.
    const chain = this.#socket._handle.verifyError()?.code;
    const wrong = this.#context.judge({ certificate, chain, name: this.#name });
    if (wrong) {
      this.#fault = fault(wrong.reason, wrong.message, describe(certificate));
      this.#alert = alertRecord(FATAL, wrong.alert);
    } else {
      this.#certificate = describe(certificate);
    }
  }

  #agreed() {
    const socket = this.#socket;
    const resumed = socket.isSessionReused();
    if (resumed) {
      this.#certificate = this.#resumes.certificate;
    }
    if (this.#certificate === undefined) {
      this.#fault ??= fault('bad-certificate', `${this.#name} shows no certificate`);
      return;
    }
    this.#handshaking = false;
    this.#info = {
      version: socket.getProtocol(),
      cipher: socket.getCipher().standardName,
      resumed,
      certificate: this.#certificate,
      details: undefined,
    };
  }

  /** Takes bytes as they came from the server. */
  async decrypt(records) {
    this.#checkFault();
    if (this.#first.length < 256) {
      this.#first = Buffer.concat([this.#first, records]).subarray(0, 256);
    }
    if (records.length > 0 && !this.#peerClosed) {
      this.#wire.push(records);
    }
    await this.#settle();
    if (this.#fault) {
      // What else OpenSSL has written is an answer that the server must not get.
      this.#records = [];
      this.#socket.destroy();
      throw this.#fault;
    }
    const plaintext = Buffer.concat(this.#plaintext.splice(0));
    return { plaintext, reply: this.#take(), handshaking: this.#handshaking, closed: this.#peerClosed };
  }

  /** Gives the records for data; for none, what is to be sent anyhow. */
  async encrypt(data) {
    this.#checkFault();
    if (data.length > 0) {
      if (this.#handshaking || this.#closed) {
        throw fault('protocol', this.#closed ? 'the session is closed' : 'the handshake is not over');
      }
      await new Promise((written) => {
        this.#socket.write(data, written);
      });
    }
    await this.#settle();
    return this.#take();
  }

  /** Says that we send no more: with close_notify, or with the alert that an error calls for. */
  async close() {
    if (this.#closed) {
      return new Uint8Array();
    }
    this.#closed = true;
    if (this.#alert || this.#handshaking) {
      this.#socket.destroy();
      return this.#alert ?? alertRecord(WARNING, CLOSE_NOTIFY);
    }
    this.#socket.end();
    await this.#settle();
    return this.#take();
  }

  info() {
    return this.#info;
  }

  /** Waits until the engine has nothing more to say. */
  async #settle() {
    let before;
    do {
      before = this.#records.length;
      await turn();
    } while (this.#records.length > before);
  }

  #take() {
    return Buffer.concat(this.#records.splice(0));
  }

  #checkFault() {
    if (this.#fault) {
      throw fault('protocol', `the session has failed: ${this.#fault.message}`);
    }
  }

  [Symbol.dispose]() {
    this.#socket.destroy();
  }
}
