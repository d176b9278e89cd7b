// The WASI functions Envoy offers: output to the log, clock, random, environment; everything about files says no.
import type { Host } from '../host.ts';
import { wasiFunctions } from '../abi.ts';

/** Errors of WASI preview 1 (wasi/api.h). */
const Errno = { Success: 0, BadF: 8, Fault: 21, Inval: 28, NoEnt: 44, NoSys: 52, NotDir: 20, NotSup: 58 } as const;

const MAX_RANDOM_BYTES = 64 * 1024;

/** What the functions without work of their own answer (proxy-wasm-cpp-host, exports.cc). Success where not listed. */
const refusals: Readonly<Record<string, number>> = {
  path_open: Errno.NoEnt, fd_prestat_get: Errno.BadF, fd_prestat_dir_name: Errno.NoSys, fd_filestat_get: Errno.BadF,
  fd_read: Errno.NoSys, fd_pread: Errno.NoSys, fd_readdir: Errno.NotDir, fd_fdstat_set_flags: Errno.NoSys,
  fd_renumber: Errno.NotSup, path_filestat_get: Errno.NotSup, path_create_directory: Errno.NotSup,
  path_filestat_set_times: Errno.NotSup, path_link: Errno.NotSup, path_readlink: Errno.NotSup,
  path_remove_directory: Errno.NotSup, path_rename: Errno.NotSup, path_symlink: Errno.NotSup,
  path_unlink_file: Errno.NotSup, sock_accept: Errno.NotSup, sock_recv: Errno.NotSup, sock_send: Errno.NotSup,
  sock_shutdown: Errno.NotSup,
};

/** The `wasi_snapshot_preview1` module (`wasi_unstable` is the same one). */
export function wasiImports(host: Host): Record<string, WebAssembly.ImportValue> {
  const { clock, logs, random, environment } = host.surroundings;
  const variables = Object.entries(environment).map(([name, value]) => Buffer.from(`${name}=${value}\0`));
  const ok = (written: boolean): number => (written ? Errno.Success : Errno.Fault);

  const fdWrite = (fd: number, vectors: number, count: number, outWritten: number): number => {
    if (fd !== 1 && fd !== 2) return Errno.BadF;
    const { memory } = host;
    let text = '';
    let size = 0;
    for (let i = 0; i < count; i++) {
      const at = (vectors >>> 0) + i * 8;
      if (!memory.holds(at, 8)) return Errno.Fault;
      const length = memory.word(at + 4);
      const part = memory.text(memory.word(at), length);
      if (part === null) return Errno.Fault;
      text += part;
      size += length;
    }
    if (size > 0) logs.write(fd === 1 ? 2 : 4, text.endsWith('\n') ? text.slice(0, -1) : text);
    return ok(memory.setWord(outWritten, size));
  };

  const functions: Record<string, (...args: never[]) => number | undefined> = {};
  for (const name of Object.keys(wasiFunctions)) {
    const errno = refusals[name] ?? Errno.Success;
    functions[name] = () => errno;
  }
  Object.assign(functions, {
    fd_write: fdWrite,
    fd_pwrite: (fd: number, vectors: number, count: number, _offset: bigint, outWritten: number) => fdWrite(fd, vectors, count, outWritten),
    fd_fdstat_get(fd: number, out: number): number {
      if (fd !== 1 && fd !== 2) return Errno.BadF;
      // 24 bytes, all zero but the right to write (64) in the second word.
      return ok(host.memory.setLong(out, 0n) && host.memory.setLong(out + 8, 64n) && host.memory.setLong(out + 16, 0n));
    },
    clock_time_get(id: number, _precision: bigint, out: number): number {
      if (id !== 0 && id !== 1) return Errno.NotSup;
      return ok(host.memory.setLong(out, id === 0 ? clock.nanoseconds : clock.monotonicNanoseconds));
    },
    clock_res_get: (id: number, out: number) => (id === 0 || id === 1 ? ok(host.memory.setLong(out, 1n)) : Errno.NotSup),
    random_get(out: number, size: number): number {
      if (size >>> 0 > MAX_RANDOM_BYTES) return Errno.Inval;
      return size === 0 ? Errno.Success : ok(host.memory.write(out, random(size >>> 0)));
    },
    environ_sizes_get(outCount: number, outSize: number): number {
      const size = variables.reduce((sum, variable) => sum + variable.length, 0);
      return ok(host.memory.setWord(outCount, variables.length) && host.memory.setWord(outSize, size));
    },
    environ_get(outAddresses: number, outText: number): number {
      let at = outText;
      for (const [i, variable] of variables.entries()) {
        if (!host.memory.setWord(outAddresses + i * 4, at) || !host.memory.write(at, variable)) return Errno.Fault;
        at += variable.length;
      }
      return Errno.Success;
    },
    args_sizes_get: (outCount: number, outSize: number) => ok(host.memory.setWord(outCount, 0) && host.memory.setWord(outSize, 0)),
    poll_oneoff: (_in: number, _out: number, _count: number, outEvents: number) => ok(host.memory.setWord(outEvents, 0)),
    // Envoy only notes it and returns; a guest that goes on runs into its own `unreachable` (exports.cc, proc_exit).
    proc_exit: () => undefined,
  });
  return functions as unknown as Record<string, WebAssembly.ImportValue>;
}
