// `wasi:sockets/network`, `instance-network` and `ip-name-lookup`.
//
// Names are looked up by the host, once a call, and only those that its plan names (`reach.js`).

import { Err } from '../failure.js';
import { toAddress } from './address.js';
import { ALWAYS, Pollable } from './poll.js';

/** The network. What of it may be reached is decided at each connection. */
class Network {}

export const network = { Network, networkErrorCode: () => undefined };

export const instanceNetwork = { instanceNetwork: () => new Network() };

class ResolveAddressStream {
  #addresses;

  constructor(addresses) {
    this.#addresses = [...addresses];
  }

  resolveNextAddress() {
    const address = this.#addresses.shift();
    return address === undefined ? undefined : toAddress(address);
  }

  subscribe() {
    return new Pollable(ALWAYS);
  }
}

/** @param {import('../reach.js').Reach} reach */
export function ipNameLookup(reach) {
  return {
    ResolveAddressStream,
    resolveAddresses(_network, name) {
      const addresses = reach.lookup(name);
      if (addresses === undefined) {
        throw new Err('access-denied');
      }
      if (addresses.length === 0) {
        throw new Err('name-unresolvable');
      }
      return new ResolveAddressStream(addresses);
    },
  };
}
