// The thread in which one live connector runs.
//
// A component of WASI 0.2 waits: a function that it imports returns when it has its result, and Node.js can wait for
// nothing without giving way to its event loop. So the connector has a thread of its own, and each function that it
// imports is sent to the main thread as a message (`bridge.js`), where it may be as asynchronous as it likes, while this
// thread sleeps until the answer is there. The main thread stays free meanwhile, and can end this one at any moment,
// even in an endless loop.

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';

const { source, modules, functions, resources, gate } = workerData;

// The component model wants a trap for text that is no UTF-8, and every character of text that is. jco's decoder would
// put question marks into the one and take a byte order mark from the other.
const Decoder = globalThis.TextDecoder;
globalThis.TextDecoder = class extends Decoder {
  constructor(label, options) {
    super(label, { ...options, fatal: true, ignoreBOM: true });
  }
};

/** Stands for an object of the main thread. */
class Handle {
  constructor(id) {
    this.id = id;
  }

  /** Called by jco when the connector drops it. */
  [Symbol.dispose]() {
    ask({ drop: this.id });
  }
}

/** The classes of the imported resources, by interface and name. */
const classes = new Map();

function classOf(where, owner) {
  const key = `${where}.${owner}`;
  if (!classes.has(key)) {
    classes.set(key, class extends Handle {});
  }
  return classes.get(key);
}

function buildImports() {
  const imports = {};
  for (const { interface: where, owner } of resources) {
    (imports[where] ??= {})[owner] = classOf(where, owner);
  }
  functions.forEach(({ interface: where, owner, name, isStatic }, number) => {
    const inside = (imports[where] ??= {});
    if (owner === undefined) {
      inside[name] = (...args) => ask({ number, args });
    } else if (isStatic) {
      classOf(where, owner)[name] = (...args) => ask({ number, args });
    } else {
      classOf(where, owner).prototype[name] = function method(...args) {
        return ask({ number, self: this.id, args });
      };
    }
  });
  return imports;
}

/** Has the main thread do something, and sleeps until it is done. */
function ask(request) {
  Atomics.store(gate, 0, 0);
  parentPort.postMessage(outgoing(request));
  Atomics.wait(gate, 0, 0);
  const { ok, err } = receiveMessageOnPort(parentPort).message;
  if (err !== undefined) {
    // jco makes the `err` of a WIT result of whatever has a payload.
    throw Object.assign(new Error('refused by the host'), { payload: incoming(err.payload) });
  }
  return incoming(ok);
}

// Handles cross as their numbers. No field of a WIT record can be called `#handle`.

function outgoing(value) {
  return replace(value, (object) => (object instanceof Handle ? { '#handle': object.id } : undefined));
}

function incoming(value) {
  return replace(value, (object) => {
    const { '#handle': id, interface: where, owner } = object;
    return id === undefined ? undefined : new (classOf(where, owner))(id);
  });
}

function replace(value, handle) {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) {
    return value;
  }
  if (Array.isArray(value)) {
    return value.map((item) => replace(item, handle));
  }
  return handle(value) ?? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, replace(item, handle)]));
}

/** Calls an exported function and tells what came of it. */
function call(exports, { interface: where, name, args }) {
  try {
    return { returned: exports[where][name](...args) };
  } catch (error) {
    return Object.hasOwn(error, 'payload') ? { failed: error.payload } : { trapped: words(error) };
  }
}

function words(error) {
  return error instanceof Error ? error.stack : String(error);
}

try {
  const { instantiate } = await import(`data:text/javascript;base64,${Buffer.from(source).toString('base64')}`);
  const exports = await instantiate((name) => modules[name], buildImports());
  parentPort.on('message', (request) => parentPort.postMessage(call(exports, request)));
  parentPort.postMessage({ returned: undefined });
} catch (error) {
  parentPort.postMessage({ trapped: words(error) });
}
