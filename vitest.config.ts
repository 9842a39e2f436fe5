import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['src/node/polyfills.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores: real daemons in e2e tests need them, so files run one after another.
    fileParallelism: false,
  },
})
