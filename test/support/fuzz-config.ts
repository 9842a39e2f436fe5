/** The long run's settings (`npm run bench -- fuzz`): every property is counted, and nothing is in a hurry. */
import { defineConfig } from 'vitest/config'

const HOURS_MS = 24 * 3600 * 1000

export default defineConfig({
  test: {
    include: ['test/fuzz/*.test.ts'],
    setupFiles: ['src/node/polyfills.ts', 'test/support/count-runs.ts'],
    testTimeout: HOURS_MS,
    fileParallelism: false,
  },
})
