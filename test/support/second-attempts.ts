/** Names at the end the tests that passed at a second attempt: each of them is a fault of the test, or of what it tests. */
import type { Reporter, TestCase } from 'vitest/node'

export class SecondAttempts implements Reporter {
  readonly #names: string[] = []

  onTestCaseResult(test: TestCase): void {
    const attempts = 1 + (test.diagnostic()?.retryCount ?? 0)
    if (attempts > 1 && test.ok()) this.#names.push(`${test.module.relativeModuleId} > ${test.fullName}`)
  }

  onTestRunEnd(): void {
    if (this.#names.length === 0) return
    console.log(
      `\n Passed at a second attempt, look at them:\n${this.#names.map((name) => `   ${name}`).join('\n')}\n`,
    )
  }
}
