import { defineConfig } from 'vitest/config'
import { SecondAttempts } from './test/support/second-attempts.js'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['src/node/polyfills.ts'],
    // Generous: a busy machine is no failure, and what waits ends as soon as it may.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Two cores: real daemons in e2e tests need them, so files run one after another.
    fileParallelism: false,
    runner: './test/support/timed-runner.ts',
    reporters: ['default', new SecondAttempts()],
  },
})
