// Trust, and the sessions that may be resumed: one context for each control connection of a connector.

import net from 'node:net';
import tls from 'node:tls';
import { fault } from './fault.js';
import { Session } from './session.js';
import { trustOf } from './trust.js';

/** Tickets to resume with that are kept. A server gives two or so for each connection. */
const TICKETS = 8;

/** A DNS name (RFC 1123), with underscores since they are seen. */
const NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i;

/**
 * The class for `tls.context`, within an operator's policy.
 *
 * @param {import('../policy.js').Policy} policy
 */
export function contextClass(policy) {
  return class Context {
    #tickets = [];

    constructor(trust, identity) {
      const { ca, judge } = trustOf(trust, policy.insecureTls);
      this.judge = judge;
      this.hasIdentity = identity !== undefined;
      this.options = { secureContext: secureContext(ca, identity) };
    }

    static create(trust, clientCertificate) {
      return new Context(trust, identityOf(policy, clientCertificate));
    }

    open(serverName) {
      if (!net.isIP(serverName) && !NAME.test(serverName)) {
        throw fault('invalid', `${JSON.stringify(serverName)} is neither a DNS name nor an IP address`);
      }
      return new Session(this, serverName);
    }

    /** Keeps a ticket, with the certificate of the session that it came in. */
    keep(ticket) {
      this.#tickets.push(ticket);
      this.#tickets.splice(0, this.#tickets.length - TICKETS);
    }

    /** A ticket to resume with, each once; but the last is used again: a server may want to see one by all means. */
    ticket() {
      return this.#tickets.length > 1 ? this.#tickets.shift() : this.#tickets[0];
    }
  };
}

function secureContext(ca, identity) {
  try {
    return tls.createSecureContext({
      ca,
      cert: identity?.certificate,
      key: identity?.key,
      minVersion: 'TLSv1.2',
      // A certificate among the roots is trusted by itself, also when it is no authority's.
      allowPartialTrustChain: true,
    });
  } catch (error) {
    // OpenSSL's words name no key.
    throw fault('invalid', `the client certificate or its key cannot be used: ${error.message}`);
  }
}

function identityOf(policy, name) {
  if (name === undefined) {
    return undefined;
  }
  const identity = policy.clientCertificates.get(name);
  if (identity === undefined) {
    throw fault('invalid', `this host has no client certificate ${JSON.stringify(name)}`);
  }
  return identity;
}
