// proxy_call_foreign_function.
import { Status } from '../abi.ts';
import { foreignFunctions } from '../foreign.ts';
import type { Host } from '../host.ts';
import type { Imports } from './env.ts';

export function foreignImports(host: Host): Imports {
  const functions = new Map(Object.entries({ ...foreignFunctions, ...host.surroundings.foreignFunctions }));
  return {
    proxy_call_foreign_function(name: number, nameSize: number, argument: number, size: number, outResult: number, outSize: number): Status {
      const context = host.context();
      const key = host.memory.text(name, nameSize);
      const bytes = host.memory.copy(argument, size);
      if (key === null || bytes === null) return Status.InvalidMemoryAccess;
      const run = functions.get(key);
      if (run === undefined) return Status.NotFound;
      const result = run(bytes, context);
      const answer = typeof result === 'number' ? '' : result;
      // A null address says the guest does not want the result (exports.cc).
      if (outResult !== 0 && !host.give(answer, outResult, outSize === 0 ? outResult : outSize)) return Status.InvalidMemoryAccess;
      if (outResult === 0 && outSize !== 0 && !host.memory.setWord(outSize, answer.length)) return Status.InvalidMemoryAccess;
      return typeof result === 'number' ? result : Status.Ok;
    },
  };
}
