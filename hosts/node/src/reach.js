// What one live connector may reach at this moment: what the plan of its call asks for, and its operator allows.

import dns from 'node:dns/promises';
import net from 'node:net';
import { PolicyRefused } from './failure.js';
import { normalize } from './policy.js';

/** The host of a plan that stands for any address: who it will be, only the server tells. */
const ANY = '*';

/** The longest plan. Each entry may be a name to look up. */
const LONGEST = 100;

export class Reach {
  #policy;
  #plan = [];
  /** The addresses of the plan's names, looked up once a call. */
  #names = new Map();
  /** First connections that live, by their socket: the address, and the hosts of the plan that it is one of. */
  #links = new Map();

  /** @param {import('./policy.js').Policy} policy */
  constructor(policy) {
    this.#policy = policy;
  }

  /**
   * Grants what the plan of the next call asks for, all of it or nothing, in place of the last one's. Connections that live
   * stay.
   *
   * @param {object[]} plan
   * @throws {PolicyRefused} when it asks for a first connection that is not allowed
   */
  async grant(plan) {
    this.#plan = [];
    this.#names.clear();
    if (plan.length > LONGEST) {
      throw new PolicyRefused(`the connector's plan has ${plan.length} entries, and a plan has at most ${LONGEST}`);
    }
    const names = new Map();
    for (const { host } of plan) {
      const name = normalize(host);
      if (name !== ANY && !names.has(name)) {
        names.set(name, await this.#lookUp(name));
      }
    }
    for (const egress of plan) {
      this.#check(egress, names);
    }
    this.#plan = plan.map((egress) => ({ ...egress, host: normalize(egress.host) }));
    this.#names = names;
  }

  async #lookUp(name) {
    if (net.isIP(name)) {
      return [name];
    }
    try {
      const found = await dns.lookup(name, { all: true });
      return [...new Set(found.map(({ address }) => normalize(address)))];
    } catch {
      return []; // The connector is told when it asks for the name.
    }
  }

  #check({ host, firstPort, lastPort, direction, secondary, reason }, names) {
    const where = `${host}:${firstPort}${lastPort === firstPort ? '' : `-${lastPort}`}`;
    if (direction === 'accept') {
      if (!this.#policy.mayListen) {
        throw new PolicyRefused(`the connector wants to wait for connections of ${where} (${reason}); the policy lets nobody listen`);
      }
      return;
    }
    if (secondary) {
      return; // Decided when it is opened, beside a first connection.
    }
    if (host === ANY) {
      throw new PolicyRefused(`the connector's plan asks for any address as a first connection (${reason}); it has to name one`);
    }
    const name = normalize(host);
    const addresses = names.get(name);
    const allowed = addresses.length === 0 ? [name] : addresses;
    if (!allowed.some((address) => this.#policy.allows(name, address, firstPort, lastPort))) {
      throw new PolicyRefused(`the connector may not reach ${where} (${reason}): the policy does not allow it`);
    }
  }

  /** The addresses of a name, none when it has none; undefined when the plan does not name it. */
  lookup(name) {
    const addresses = this.#names.get(normalize(name));
    return addresses?.filter((address) => this.#policy.allows(name, address, 0, 65535));
  }

  /** Whether a connection to this address may be opened now. */
  mayConnect(address, port) {
    return this.#hosts(address, port).length > 0 || this.#secondary(address, port);
  }

  /** The hosts of the plan that allow this address as a first connection. */
  #hosts(address, port) {
    const plain = normalize(address);
    return this.#plan
      .filter((egress) => egress.direction === 'connect' && !egress.secondary && hasPort(egress, port))
      .map(({ host }) => host)
      .filter((host) => this.#names.get(host)?.includes(plain) && this.#policy.allows(host, plain, port));
  }

  #secondary(address, port) {
    const plain = normalize(address);
    return this.#plan
      .filter((egress) => egress.direction === 'connect' && egress.secondary && hasPort(egress, port))
      .some((egress) => this.#belongs(egress, plain) && this.#policy.allows(egress.host, plain, port));
  }

  /** Whether a secondary connection with this address belongs to a first one that lives. */
  #belongs({ host }, address) {
    const links = [...this.#links.values()];
    if (host === ANY) {
      return links.length > 0;
    }
    const isFirst = (egress) => egress.direction === 'connect' && !egress.secondary && egress.host === host;
    if (this.#plan.some(isFirst)) {
      // To the very machine that the first one found, also where the name has several.
      return links.some((link) => link.address === address && link.hosts.includes(host));
    }
    // Another machine that the settings name.
    return links.length > 0 && this.#names.get(host)?.includes(address) === true;
  }

  /** Whether the connector may wait for connections on this port; 0 stands for any free one. */
  mayListen(port) {
    return this.#policy.mayListen && this.#accepting().some((egress) => port === 0 || hasPort(egress, port));
  }

  /** Whether this address may connect to a port of the connector's. */
  mayAccept(address) {
    const plain = normalize(address ?? '');
    return this.#accepting().some((egress) => (egress.secondary ? this.#belongs(egress, plain) : this.#leadsTo(egress, plain)));
  }

  #accepting() {
    return this.#plan.filter(({ direction }) => direction === 'accept');
  }

  #leadsTo({ host }, address) {
    return host === ANY || this.#names.get(host)?.includes(address) === true;
  }

  /** A socket is connected: it may be a first connection from now on, to which others belong. */
  connected(socket, address, port) {
    const hosts = this.#hosts(address, port);
    if (hosts.length > 0) {
      this.#links.set(socket, { address: normalize(address), hosts });
    }
  }

  /** A connection has ended, or its socket is gone. */
  ended(socket) {
    this.#links.delete(socket);
  }
}

function hasPort({ firstPort, lastPort }, port) {
  return firstPort <= port && port <= lastPort;
}
