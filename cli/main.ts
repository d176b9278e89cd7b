#!/usr/bin/env node
// The command line: the only reader of argv and environment, and the only place that ends the process.
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { EnvironmentError } from './environment-error.ts';
import { InputError } from './input-error.ts';
import type { Ready } from './up.ts';

// The controller makes little garbage at a time; V8's default young generation would grow to 48 MiB for it.
setFlagsFromString('--max-semi-space-size=4');

/** 0 fine, 1 the input is wrong, 2 usage, 3 the environment lacks something. */
const EXIT = { input: 1, usage: 2, environment: 3 } as const;

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
const whole = (text: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('a whole number is needed');
  return Number(text);
};
const collect = (path: string, paths: string[] = []): string[] => [...paths, path];

function commands(onReady?: (ready: Ready) => void): Command {
  const program = new Command('gatewright')
    .description('An Envoy extension library: JWT claim authorization, faults and limits as wasm filters, attached by Gateway API routes and Envoy Gateway policies.')
    .version(version)
    .showHelpAfterError('(gatewright --help shows all commands and flags)')
    .exitOverride()
    .addHelpText('after', '\nExit codes: 0 fine, 1 the input is wrong, 2 usage, 3 the environment lacks something.');

  program.command('up')
    .description('controller and one Envoy per Gateway, from files or folders; changes take effect as they are saved; Ctrl-C ends all')
    .requiredOption('-f, --file <path>', 'file or folder of YAML (folders recursively); may be repeated', collect)
    .option('--echo', 'answer for every Service that has no EndpointSlice with a built-in echo backend', false)
    .option('--address <ip>', 'where listeners bind', '127.0.0.1')
    .option('--port-offset <n>', 'added to listener ports below 1024', whole, 10_000)
    .option('--envoy <path>', 'which Envoy; else $ENVOY_BIN, else PATH, else a pinned release fetched once')
    .option('--ready-file <file>', 'written when every listener serves, and again after each change')
    .option('--concurrency <n>', 'Envoy workers', whole, 1)
    .action(async (options) => (await import('./up.ts')).up(options, process.env, onReady));

  program.command('translate')
    .description('what would be done, without doing it: no network, no Envoy')
    .requiredOption('-f, --file <path>', 'file or folder of YAML; - reads standard input; may be repeated', collect)
    .option('--to <stage>', 'ir, xds or status', 'xds')
    .option('-o, --output <format>', 'yaml or json', 'yaml')
    .option('--port-offset <n>', 'added to listener ports below 1024', whole, 10_000)
    .option('--address <ip>', 'where listeners would bind', '127.0.0.1')
    .action(async (options) => {
      process.stdout.write((await import('./translate.ts')).translateCommand(options, process.env));
    });

  program.command('check')
    .description('every problem of the YAML, with file:line and the field; exit 1 if any is an error')
    .requiredOption('-f, --file <path>', 'file or folder of YAML; - reads standard input; may be repeated', collect)
    .action(async (options) => {
      const { text, errors } = (await import('./check.ts')).check(options.file);
      process.stdout.write(text);
      if (errors > 0) process.exitCode = EXIT.input;
    });
  return program;
}

/** Runs one command and sets the exit code. `onReady` is called once `up` serves. */
export async function main(args: readonly string[], onReady?: (ready: Ready) => void): Promise<void> {
  try {
    await commands(onReady).parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
    else if (error instanceof InputError) {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = EXIT.input;
    } else if (error instanceof EnvironmentError) {
      process.stderr.write(`gatewright: ${error.message}\n  next: ${error.nextStep}\n`);
      process.exitCode = EXIT.environment;
    } else throw error;
  }
}

if (import.meta.main) {
  // Whoever reads our output may have read enough: `gatewright translate … | head`.
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => { process.exit(code === 'EPIPE' ? 0 : 1); });
  await main(process.argv.slice(2));
}
