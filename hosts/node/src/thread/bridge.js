// The main thread's end of a connector's thread (`worker.js`): it does what the connector asks for, and can end it.

import { Worker } from 'node:worker_threads';
import { Err, Failure, Refused, Trap } from '../failure.js';

/** A connector's thread, with the objects of this host that the connector has handles of. */
export class Bridge {
  #worker;
  #gate = new Int32Array(new SharedArrayBuffer(4));
  #functions;
  #imports;
  #mayCall;
  #objects = new Map();
  #classes = new Map();
  #lastId = 0;
  #pending;
  #gone;

  /**
   * @param {object} program what `transpile` made, with what `accept` found
   * @param {object} imports the functions and classes of each interface
   * @param {(imported: object) => void} mayCall throws when the connector may not call that function now
   */
  constructor({ source, modules, functions, resources }, imports, mayCall) {
    this.#functions = functions;
    this.#imports = imports;
    this.#mayCall = mayCall;
    for (const [where, members] of Object.entries(imports)) {
      for (const [owner, member] of Object.entries(members)) {
        this.#classes.set(member, { interface: where, owner });
      }
    }
    this.#worker = new Worker(new URL('worker.js', import.meta.url), {
      workerData: { source, modules, functions, resources, gate: this.#gate },
      env: {},
      argv: [],
      execArgv: [],
    });
    this.#worker.on('message', (message) => this.#heard(message));
    this.#worker.on('error', (error) => this.kill(new Trap(`the connector's thread ended: ${error.message}`)));
  }

  /** Resolves when the component is instantiated. */
  start() {
    return this.#answer();
  }

  /** Calls an exported function, one at a time. Throws an `Err` when it returns an error, a `Failure` when it returns nothing. */
  call(where, name, args) {
    const answer = this.#answer();
    if (!this.#gone) {
      this.#worker.postMessage({ interface: where, name, args });
    }
    return answer;
  }

  #answer() {
    if (this.#gone) {
      const [why] = this.#gone.message.split('\n');
      return Promise.reject(new Refused(`the instance is gone: ${why}`));
    }
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
  }

  get isAlive() {
    return this.#gone === undefined;
  }

  /** Ends the thread, whatever it does. The call that is under way fails for this reason. */
  kill(failure) {
    if (this.#gone) {
      return;
    }
    this.#gone = failure;
    this.#worker.terminate();
    this.#finish('reject', failure);
    for (const object of this.#objects.values()) {
      object[Symbol.dispose]?.();
    }
    this.#objects.clear();
  }

  #finish(how, value) {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.[how](value);
  }

  #heard(message) {
    if (this.#gone) {
      return;
    }
    if ('returned' in message) {
      this.#finish('resolve', message.returned);
    } else if ('failed' in message) {
      this.#finish('reject', new Err(message.failed));
    } else if ('trapped' in message) {
      this.kill(new Trap(message.trapped));
    } else {
      this.#serve(message);
    }
  }

  async #serve(request) {
    let reply;
    try {
      reply = { ok: this.#outgoing(await this.#perform(request)) };
    } catch (error) {
      if (!(error instanceof Err)) {
        // No answer of a function's type: the connector must not go on, whatever it would make of it.
        this.kill(error instanceof Failure ? error : new Trap(error.message));
        return;
      }
      reply = { err: { payload: this.#outgoing(error.payload) } };
    }
    if (!this.#gone) {
      this.#worker.postMessage(reply);
      Atomics.store(this.#gate, 0, 1);
      Atomics.notify(this.#gate, 0);
    }
  }

  #perform({ number, self, args, drop }) {
    if (drop !== undefined) {
      const object = this.#objects.get(drop);
      this.#objects.delete(drop);
      return object?.[Symbol.dispose]?.();
    }
    const imported = this.#functions[number];
    this.#mayCall(imported);
    const inside = this.#imports[imported.interface];
    // All static functions of the contract that are given a handle take it for good.
    const given = this.#incoming(args, imported.isStatic);
    if (imported.owner === undefined) {
      return inside[imported.name](...given);
    }
    return imported.isStatic
      ? inside[imported.owner][imported.name](...given)
      : this.#object(self)[imported.name](...given);
  }

  #object(id) {
    const object = this.#objects.get(id);
    if (object === undefined) {
      throw new Trap('the connector uses a handle that it does not have');
    }
    return object;
  }

  #incoming(value, take) {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) {
      return value;
    }
    if (Array.isArray(value)) {
      return value.map((item) => this.#incoming(item, take));
    }
    const id = value['#handle'];
    if (id === undefined) {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.#incoming(item, take)]));
    }
    const object = this.#object(id);
    if (take) {
      this.#objects.delete(id);
    }
    return object;
  }

  #outgoing(value) {
    if (typeof value !== 'object' || value === null) {
      return value;
    }
    if (ArrayBuffer.isView(value)) {
      // A view would cross with all the memory behind it.
      return value.byteLength === value.buffer.byteLength ? value : new Uint8Array(value);
    }
    if (Array.isArray(value)) {
      return value.map((item) => this.#outgoing(item));
    }
    const known = this.#classes.get(value.constructor);
    if (known === undefined) {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.#outgoing(item)]));
    }
    this.#lastId += 1;
    this.#objects.set(this.#lastId, value);
    return { '#handle': this.#lastId, ...known };
  }
}
