// A connector that was loaded: read, compared with the contract, compiled, and asked what it is.

import { accept, compareEndpoints } from './component/accept.js';
import { transpile } from './component/transpile.js';
import { Failure, Refused } from './failure.js';
import { provides } from './imports/index.js';
import { Instance } from './instance.js';
import { Schema } from './schema.js';

export class Connector {
  /** What it says of itself: the contract's `descriptor`. */
  descriptor;
  #program;
  #connectionSchema;
  #optionsSchemas;

  constructor(program, descriptor) {
    this.#program = program;
    this.descriptor = descriptor;
    this.#connectionSchema = new Schema(descriptor.connectionSchema, 'the connection settings');
    this.#optionsSchemas = new Map(
      descriptor.endpoints.map(({ name, optionsSchema }) => [name, new Schema(optionsSchema, `the options of ${name}`)]),
    );
  }

  /**
   * Loads a component. Nothing of it may be reached by it yet.
   *
   * @param {Uint8Array} bytes
   * @returns {Promise<Connector>}
   * @throws {Refused} when it is no connector that this host can run, with the reason
   */
  static async load(bytes) {
    const accepted = accept(bytes, provides);
    const program = { ...accepted, ...(await transpile(bytes)) };
    const descriptor = await describe(program);
    compareEndpoints(descriptor, accepted.endpoints);
    return new Connector(program, descriptor);
  }

  /** The names of its endpoints. */
  get endpoints() {
    return [...this.#program.endpoints.keys()];
  }

  /**
   * Starts a live connector for one instance within one run. Its state, such as a session with a server, lasts over calls.
   *
   * @param {import('./instance.js').Run} run
   * @returns {Promise<Instance>}
   */
  start(run) {
    return Instance.start(this.#program, run, this);
  }

  /** Refuses settings that do not fit. */
  checkConnection(connection) {
    this.#connectionSchema.check(connection);
  }

  /** Refuses options that do not fit. */
  checkOptions(endpoint, options, how) {
    const schema = this.#optionsSchemas.get(endpoint);
    if (schema === undefined) {
      throw new Refused(`the connector has no endpoint ${JSON.stringify(endpoint)}; it has ${this.endpoints.join(', ')}`);
    }
    schema.check(options, how);
  }
}

/** Asks a connector what it is, with nothing granted. */
async function describe(program) {
  let instance;
  try {
    instance = await Instance.start(program, { runId: 'describe' });
    return await instance.describe();
  } catch (error) {
    throw error instanceof Failure ? new Refused(`the connector cannot describe itself: ${error.message}`) : error;
  } finally {
    instance?.end();
  }
}
