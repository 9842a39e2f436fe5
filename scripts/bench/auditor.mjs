#!/usr/bin/env node
/**
 * `npm run bench -- auditor`: one auditor, eight providers that cheat, each in its way, and an honest one, all of them real
 * daemons on a real chain, until each cheat is convicted and a stranger has checked it (test/e2e/auditor.test.ts). A minute
 * and a half of processor time. Exit status 1 where a cheat was not convicted, or the honest one was.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
const env = { TEST_PATIENCE_MS: '300000', ...process.env, LONG_TESTS: '1' }
const args = [vitest, 'run', 'test/e2e/auditor.test.ts']
process.exit(spawnSync(process.execPath, args, { env, stdio: 'inherit' }).status ?? 1)
