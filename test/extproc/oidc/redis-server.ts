// A real Redis of a test's own: on a port nobody else has, with a password, and in a process that can be stopped, killed and started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../free-port.ts';

export const PASSWORD = 'hunter2/@:%';

export class RedisServer {
  readonly port: number;
  readonly #tls: { readonly key: string; readonly certificate: string } | undefined;
  readonly #folder = mkdtempSync(join(tmpdir(), 'gw-redis-'));
  #process: ChildProcess | undefined;

  private constructor(port: number, tls: { readonly key: string; readonly certificate: string } | undefined) {
    this.port = port;
    this.#tls = tls;
  }

  /** With a certificate it speaks TLS and nothing else. */
  static async start(tls?: { readonly key: string; readonly certificate: string }): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), tls);
    await server.start();
    return server;
  }

  get url(): string { return `${this.#tls === undefined ? 'redis' : 'rediss'}://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${this.port}/0`; }

  /** With nothing in it. */
  async start(): Promise<void> {
    const child = spawn('redis-server', [...this.#ports(), '--bind', '127.0.0.1', '--requirepass', PASSWORD, '--save', '', '--appendonly', 'no', '--dir', this.#folder], { stdio: 'ignore' });
    this.#process = child;
    const failed = new Promise<never>((_, reject) => {
      child.once('error', () => reject(new Error('no redis-server on this machine; it is in the package redis-server (Debian, Ubuntu: apt-get install redis-server)')));
      child.once('exit', () => reject(new Error('redis-server ended')));
    });
    failed.catch(() => undefined);
    while (await Promise.race([answers(this.port), failed]) !== true) await new Promise((resolve) => { setTimeout(resolve, 20); });
  }

  #ports(): string[] {
    if (this.#tls === undefined) return ['--port', String(this.port)];
    const [key, certificate] = [join(this.#folder, 'key.pem'), join(this.#folder, 'certificate.pem')];
    writeFileSync(key, this.#tls.key);
    writeFileSync(certificate, this.#tls.certificate);
    return ['--port', '0', '--tls-port', String(this.port), '--tls-key-file', key, '--tls-cert-file', certificate, '--tls-ca-cert-file', certificate, '--tls-auth-clients', 'no'];
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void { this.#process?.kill(name); }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const exited = new Promise((resolve) => { child.once('exit', resolve); });
    child.kill('SIGKILL');
    await exited;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
    socket.once('error', () => resolve(false));
  });
}
