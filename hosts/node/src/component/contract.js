// The contract `flow:connector` as this host knows it: the types of all functions, spelled out as `types.js` spells them.
//
// Connectors of any version 0.1.x are taken whose functions are among these. A test compares this file with `wit/`.

/** The version that this host implements. */
export const VERSION = '0.1.1';

const members = (fields) => Object.entries(fields).map(([name, type]) => `${name}:${type}`).join(',');
const record = (fields) => `record{${members(fields)}}`;
const enumeration = (...cases) => `enum{${cases.join(',')}}`;
const variant = (...cases) => `variant{${cases.join(',')}}`;
const list = (type) => `list<${type}>`;
const option = (type) => `option<${type}>`;
const result = (well, badly) => `result<${well},${badly}>`;
const own = (resource) => `own<${resource}>`;
const func = (parameters, returned) => `func(${members(parameters)})${returned === undefined ? '' : `->${returned}`}`;
const method = (resource, parameters, returned) => func({ self: `borrow<${resource}>`, ...parameters }, returned);

const json = 'string';
const bytes = list('u8');

// types

const error = record({
  kind: enumeration(
    'invalid-settings', 'authentication', 'permission', 'not-found', 'conflict', 'unreachable', 'timeout', 'busy', 'tls',
    'protocol', 'data', 'denied-by-host', 'cancelled', 'unsupported', 'internal',
  ),
  message: 'string',
  code: option('string'),
  retry: variant('never', 'backoff', 'after-ms(u64)'),
  effect: enumeration('none', 'partial', 'unknown'),
  details: option(json),
});

const metadata = record({
  id: 'string',
  version: option('string'),
  name: option('string'),
  'content-type': option('string'),
  size: option('u64'),
  'modified-ms': option('u64'),
  attributes: list('tuple<string,string>'),
});

const call = record({ connection: json, options: json });

const summary = record({ payloads: 'u64', bytes: 'u64', skipped: 'u64', failed: 'u64' });

// context

const level = enumeration('trace', 'debug', 'info', 'warn', 'error');

const context = {
  'run-id': func({}, 'string'),
  attempt: func({}, 'u32'),
  'remaining-ms': func({}, 'u64'),
  cancelled: func({}, 'bool'),
  'log-threshold': func({}, level),
  log: func({ level, message: 'string' }),
  progress: func({ what: 'string', done: 'u64', total: option('u64') }),
};

// exchange

const offer = variant(`accept(${own('writer')})`, 'skip', 'accepted', 'stop');
const outcome = variant(`pass(${metadata})`, 'consume', `fail(${error})`);
const earlier = record({ note: option('string') });

const exchange = {
  '[method]writer.body': method('writer', {}, own('output-stream')),
  '[static]writer.finish': func({ this: own('writer') }, result('_', error)),
  '[static]writer.abort': func({ this: own('writer'), reason: error }),
  '[method]reader.metadata': method('reader', {}, metadata),
  '[method]reader.options': method('reader', {}, json),
  '[method]reader.body': method('reader', {}, result(option(own('input-stream')), error)),
  '[method]reader.earlier': method('reader', {}, option(earlier)),
  '[method]reader.note': method('reader', { text: 'string' }, result('_', error)),
  '[static]reader.settle': func({ this: own('reader'), outcome }),
  begin: func({ metadata }, result(offer, error)),
  next: func({}, result(option(own('reader')), error)),
  report: func({ id: 'string', problem: error }),
};

// tls

const trust = variant('host-default', 'roots(string)', `pinned(${list(bytes)})`, 'insecure');

const certificate = record({
  sha256: bytes,
  'public-key-sha256': bytes,
  subject: 'string',
  issuer: 'string',
  'not-before-ms': 's64',
  'not-after-ms': 's64',
  names: list('string'),
});

const info = record({
  version: 'string',
  cipher: 'string',
  resumed: 'bool',
  certificate: option(certificate),
  details: option(json),
});

const tlsError = record({
  reason: enumeration(
    'expired', 'not-yet-valid', 'wrong-name', 'unknown-issuer', 'self-signed', 'not-pinned', 'revoked', 'bad-certificate',
    'no-common-version', 'client-certificate', 'not-tls', 'protocol', 'denied', 'invalid',
  ),
  message: 'string',
  certificate: option(certificate),
});

const received = record({ plaintext: bytes, reply: bytes, handshaking: 'bool', closed: 'bool' });

const tls = {
  '[static]context.create': func({ trust, 'client-certificate': option('string') }, result(own('context'), tlsError)),
  '[method]context.open': method('context', { 'server-name': 'string' }, result(own('session'), tlsError)),
  '[method]session.decrypt': method('session', { records: bytes }, result(received, tlsError)),
  '[method]session.encrypt': method('session', { data: bytes }, result(bytes, tlsError)),
  '[method]session.close': method('session', {}, bytes),
  '[method]session.info': method('session', {}, option(info)),
};

/** What a connector may import of the contract: the functions of each interface, with their types. */
export const IMPORTS = { types: {}, context, exchange, tls };

/** The type of a function of the contract; undefined when there is none. */
export function typeOf(interfaceName, functionName) {
  const inside = Object.hasOwn(IMPORTS, interfaceName) ? IMPORTS[interfaceName] : {};
  return Object.hasOwn(inside, functionName) ? inside[functionName] : undefined;
}

// connector

const endpoint = record({
  name: 'string',
  title: 'string',
  description: 'string',
  'options-schema': json,
});

const descriptor = record({
  id: 'string',
  version: 'string',
  title: 'string',
  description: 'string',
  'connection-schema': json,
  endpoints: list(endpoint),
  details: option(json),
});

const egress = record({
  host: 'string',
  'first-port': 'u16',
  'last-port': 'u16',
  direction: enumeration('connect', 'accept'),
  secondary: 'bool',
  reason: 'string',
});

const step = record({
  name: 'string',
  status: enumeration('passed', 'warning', 'failed'),
  message: 'string',
  details: option(json),
});

/** What each connector exports. */
export const CONNECTOR = {
  describe: func({}, descriptor),
  plan: func({ endpoint: option('string'), call }, result(list(egress), error)),
  check: func({ connection: json, 'probe-write': 'bool' }, result(list(step), error)),
};

/** The type that makes an exported function an endpoint. */
export const ENDPOINT = func({ call }, result(summary, error));
