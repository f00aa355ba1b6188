import assert from 'node:assert/strict';
import net from 'node:net';
import nodeTls from 'node:tls';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { X509Certificate } from 'node:crypto';
import selfsigned from 'selfsigned';
import { Err } from '../src/failure.js';
import { tls } from '../src/imports/tls.js';
import { Policy } from '../src/policy.js';

const DAY = 24 * 3600 * 1000;

/** A certificate of the host name `localhost`. */
function certificate({ name = 'localhost', from = -DAY, to = DAY, ca } = {}) {
  return selfsigned.generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() + from),
    notAfterDate: new Date(Date.now() + to),
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: name }] }],
    ...(ca && { ca }),
  });
}

const authority = await selfsigned.generate([{ name: 'commonName', value: 'an authority' }], {
  keyType: 'ec', algorithm: 'sha256', extensions: [{ name: 'basicConstraints', cA: true, critical: true }],
});
const ca = { key: authority.private, cert: authority.cert };
const good = await certificate({ ca });

const closing = [];
after(() => closing.forEach((close) => close()));

/** A server that says in TLS what it hears, and keeps what broke its handshakes. */
async function echo(shown, options = {}) {
  const server = nodeTls.createServer({ key: shown.private, cert: shown.cert, ...options }, (socket) => {
    socket.on('error', () => {});
    socket.write(options.greeting ?? '');
    socket.pipe(socket);
  });
  const faults = [];
  server.on('tlsClientError', (error) => faults.push(error.code));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return { port: server.address().port, faults };
}

/** A connection of a connector's: it carries the records. */
class Line {
  #arrived = [];
  #wake = () => {};

  constructor(port) {
    this.socket = net.connect(port, '127.0.0.1');
    closing.push(() => this.socket.destroy());
    this.socket.on('data', (bytes) => this.#put(bytes));
    this.socket.on('end', () => this.#put(null));
    this.socket.on('error', () => this.#put(null));
  }

  #put(bytes) {
    this.#arrived.push(bytes);
    this.#wake();
  }

  get hasMore() {
    return this.#arrived.length > 0;
  }

  send(bytes) {
    this.socket.write(bytes);
  }

  async receive() {
    while (this.#arrived.length === 0) {
      await new Promise((resolve) => { this.#wake = resolve; });
    }
    return this.#arrived.shift();
  }
}

const contexts = (policy = {}) => tls(new Policy(policy)).Context;

async function shake(session, line, piece = Infinity) {
  line.send(await session.encrypt(new Uint8Array()));
  for (let handshaking = true; handshaking;) {
    const bytes = await line.receive();
    assert.ok(bytes, 'the server ended the connection');
    for (let at = 0; at < bytes.length; at += piece) {
      const received = await session.decrypt(bytes.subarray(at, Math.min(bytes.length, at + piece)));
      line.send(received.reply);
      ({ handshaking } = received);
    }
  }
}

async function hear(session, line, length) {
  const heard = [];
  let closed = false;
  while (Buffer.concat(heard).length < length && !closed) {
    const received = await session.decrypt(await line.receive());
    heard.push(received.plaintext);
    ({ closed } = received);
  }
  return Buffer.concat(heard);
}

const failsWith = (reason) => (error) => {
  assert.ok(error instanceof Err, error.stack);
  assert.equal(error.payload.reason, reason, error.payload.message);
  return true;
};

const roots = (pem) => ({ tag: 'roots', val: pem });

for (const version of ['TLSv1.2', 'TLSv1.3']) {
  const only = { minVersion: version, maxVersion: version };

  test(`${version}: both ways, with records cut anywhere, and resumed`, async () => {
    const { port } = await echo(good, only);
    const context = contexts().create(roots(authority.cert));
    for (const resumed of [false, true, true]) {
      const line = new Line(port);
      const session = context.open('localhost');
      assert.equal(session.info(), undefined);
      await shake(session, line, resumed ? Infinity : 1);
      const info = session.info();
      assert.deepEqual([info.version, info.resumed], [version, resumed]);
      assert.deepEqual(Buffer.from(info.certificate.sha256).toString('hex'), new X509Certificate(good.cert).fingerprint256.replaceAll(':', '').toLowerCase());
      const said = Buffer.alloc(200_000, 'abcdefg');
      line.send(await session.encrypt(said));
      assert.ok((await hear(session, line, said.length)).equals(said));
      line.send(await session.close());
      assert.equal((await session.close()).length, 0);
      for (let closed = false; !closed;) {
        ({ closed } = await session.decrypt(await line.receive()));
      }
      await assert.rejects(session.encrypt(Buffer.from('x')), failsWith('protocol'));
    }
  });

  const refusals = [
    ['expired', () => certificate({ from: -2 * DAY, to: -DAY, ca }), roots(authority.cert), 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED'],
    ['not-yet-valid', () => certificate({ from: DAY, to: 2 * DAY, ca }), roots(authority.cert), 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED'],
    ['wrong-name', () => certificate({ name: 'elsewhere.example', ca }), roots(authority.cert), 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE'],
    ['unknown-issuer', () => good, { tag: 'host-default' }, 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA'],
    ['self-signed', () => certificate(), { tag: 'host-default' }, 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA'],
    ['not-pinned', () => good, { tag: 'pinned', val: [new Uint8Array(32)] }, 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE'],
  ];
  for (const [reason, shown, trust, alert] of refusals) {
    test(`${version}: ${reason}, and the server is told`, async () => {
      const { port, faults } = await echo(await shown(), only);
      const line = new Line(port);
      const session = contexts().create(trust).open('localhost');
      await assert.rejects(shake(session, line), failsWith(reason));
      await assert.rejects(session.encrypt(new Uint8Array()), failsWith('protocol'));
      assert.equal(session.info(), undefined);
      line.send(await session.close());
      for (let waited = 0; faults.length === 0 && waited < 5000; waited += 10) {
        await sleep(10);
      }
      assert.deepEqual(faults, [alert]);
    });
  }

  test(`${version}: what comes along with the end of the handshake is there at once`, async () => {
    const { port } = await echo(good, { ...only, greeting: '220 welcome' });
    const line = new Line(port);
    const session = contexts().create(roots(authority.cert)).open('localhost');
    line.send(await session.encrypt(new Uint8Array()));
    line.send((await session.decrypt(await line.receive())).reply);
    await sleep(100); // All that the server has to say is there, and goes to the host in one piece.
    const pieces = [await line.receive()];
    while (line.hasMore) {
      pieces.push(await line.receive());
    }
    const { plaintext, handshaking } = await session.decrypt(Buffer.concat(pieces));
    assert.equal(handshaking, false);
    assert.equal(plaintext.toString(), '220 welcome');
  });

  test(`${version}: a server that wants a client certificate`, async () => {
    const asking = { ...only, requestCert: true, rejectUnauthorized: true, ca: [authority.cert] };
    const { port } = await echo(good, asking);
    const policy = { clientCertificates: { ours: { certificate: good.cert, key: good.private } } };
    const trust = roots(authority.cert);
    const line = new Line(port);
    const session = contexts(policy).create(trust, 'ours').open('localhost');
    await shake(session, line);
    line.send(await session.encrypt(Buffer.from('hello')));
    assert.equal((await hear(session, line, 5)).toString(), 'hello');

    const without = contexts(policy).create(trust).open('localhost');
    const other = new Line(port);
    await assert.rejects(async () => {
      await shake(without, other);
      await hear(without, other, 1);
    }, failsWith('client-certificate'));
    assert.throws(() => contexts(policy).create(trust, 'theirs'), failsWith('invalid'));
  });
}

test('a pin may be that of the certificate or of its key', async () => {
  const { port } = await echo(good);
  const { raw, publicKey } = new X509Certificate(good.cert);
  for (const bytes of [raw, publicKey.export({ type: 'spki', format: 'der' })]) {
    const pin = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    await shake(contexts().create({ tag: 'pinned', val: [pin] }).open('other.example'), new Line(port));
  }
});

test("the server's own certificate may be the root", async () => {
  const { port } = await echo(good);
  await shake(contexts().create(roots(good.cert)).open('localhost'), new Line(port));
  const other = contexts().create(roots((await certificate()).cert)).open('localhost');
  await assert.rejects(shake(other, new Line(port)), failsWith('unknown-issuer'));
});

test('what cannot be is refused at once', () => {
  const Context = contexts();
  assert.throws(() => Context.create(roots('no PEM')), failsWith('invalid'));
  assert.throws(() => Context.create(roots('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----')), failsWith('invalid'));
  assert.throws(() => Context.create({ tag: 'pinned', val: [new Uint8Array(31)] }), failsWith('invalid'));
  assert.throws(() => Context.create({ tag: 'insecure' }), failsWith('denied'));
  const context = contexts({ insecureTls: true }).create({ tag: 'insecure' });
  for (const name of ['', 'a b', '-', 'x'.repeat(254), 'a..b']) {
    assert.throws(() => context.open(name), failsWith('invalid'));
  }
});

test('data before the handshake is over is refused', async () => {
  const session = contexts().create({ tag: 'host-default' }).open('localhost');
  await assert.rejects(session.encrypt(Buffer.from('secret')), failsWith('protocol'));
  assert.ok((await session.encrypt(new Uint8Array())).length > 0);
  assert.ok((await session.close()).length > 0);
});

test('clear text is no TLS', async () => {
  const session = contexts().create({ tag: 'host-default' }).open('localhost');
  await session.encrypt(new Uint8Array());
  await assert.rejects(session.decrypt(Buffer.from('220 Welcome.\r\n')), failsWith('not-tls'));
  assert.ok((await session.close()).length > 0);
});
