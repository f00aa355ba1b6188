// An FTP server for tests: one account, one folder, passive connections. It knows what the connector asks for, and no more.

import { once } from 'node:events';
import net from 'node:net';

/**
 * @param {Record<string, Buffer>} files what it serves, by name; what is uploaded is added
 * @returns {Promise<{port: number, close: () => void}>}
 */
export async function serve(files) {
  const server = net.createServer((control) => new Session(control, files));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port, close: () => server.close() };
}

class Session {
  #control;
  #files;
  #data;
  #from;

  constructor(control, files) {
    this.#control = control;
    this.#files = files;
    let text = '';
    control.on('error', () => {});
    control.on('data', (bytes) => {
      const lines = (text + bytes).split('\r\n');
      text = lines.pop();
      lines.forEach((line) => this.#command(line));
    });
    this.#reply('220 ready');
  }

  #reply(line) {
    this.#control.write(`${line}\r\n`);
  }

  async #command(line) {
    const [verb, ...words] = line.split(' ');
    const name = words.join(' ').split('/').pop();
    switch (verb.toUpperCase()) {
      case 'USER': return this.#reply('331 password');
      case 'PASS': return this.#reply(name === 'secret' ? '230 welcome' : '530 no');
      case 'FEAT': return this.#reply('211-features\r\n EPSV\r\n MLST type*;size*;\r\n SIZE\r\n211 end');
      case 'PWD': return this.#reply('257 "/"');
      case 'EPSV': return this.#passive();
      case 'MLSD': return this.#send(Buffer.from(Object.entries(this.#files).map(([file, { length }]) => `type=file;size=${length}; ${file}\r\n`).join('')));
      case 'SIZE': return this.#reply(name in this.#files ? `213 ${this.#files[name].length}` : '550 no such file');
      case 'RETR': return name in this.#files ? this.#send(this.#files[name]) : this.#reply('550 no such file');
      case 'STOR': return this.#receive(name);
      case 'RNFR': this.#from = name; return this.#reply('350 to what');
      case 'RNTO':
        this.#files[name] = this.#files[this.#from];
        delete this.#files[this.#from];
        return this.#reply('250 done');
      case 'QUIT': return this.#reply('221 bye');
      case 'TYPE': case 'CWD': case 'MODE': case 'STRU': case 'NOOP': case 'OPTS': return this.#reply('200 done');
      default: return this.#reply('502 not here');
    }
  }

  async #passive() {
    const server = net.createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#data = once(server, 'connection').then(([socket]) => {
      server.close();
      return socket;
    });
    this.#reply(`229 passive (|||${server.address().port}|)`);
  }

  async #send(bytes) {
    this.#reply('150 here it is');
    (await this.#data).end(bytes, () => this.#reply('226 done'));
  }

  async #receive(name) {
    this.#reply('150 go on');
    const pieces = [];
    for await (const piece of await this.#data) {
      pieces.push(piece);
    }
    this.#files[name] = Buffer.concat(pieces);
    this.#reply('226 done');
  }
}
