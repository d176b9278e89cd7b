// The end of a run: every failure in a line `failed: file > test: message`, and then `N passed, N failed`.
// A file that could not be run counts as one failed test.
import type { Reporter, TestModule } from 'vitest/node';

export class Total implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly { message?: string }[]): void {
    let passed = 0;
    const failures = errors.map((error) => `outside of tests: ${firstLine([error])}`);
    for (const module of modules) {
      const own: string[] = [];
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') passed++;
        else own.push(`${module.relativeModuleId} > ${test.fullName}: ${result.state === 'failed' ? firstLine(result.errors) : result.state}`);   // nothing here may be skipped
      }
      if (!module.ok() && own.length === 0) own.push(`${module.relativeModuleId}: ${firstLine(module.errors())}`);
      failures.push(...own);
    }
    if (failures.length > 0) process.exitCode = 1;
    for (const failure of failures) console.log(`failed: ${failure}`);
    console.log(`${passed} passed, ${failures.length} failed`);
  }
}

const firstLine = (errors: readonly { message?: string }[]) => (errors[0]?.message ?? 'no error was told').split('\n', 1)[0];
