/** What `status` says where no daemon runs: a gateway, and commands that buy, need none. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { dataPaths } from '../../../src/config/paths.js'
import { DailyBudget } from '../../../src/inference/client/daily-budget.js'
import { run } from './in-process.js'

it('without a daemon shows what was spent, and that none runs', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'plumbline-status-'))
  onTestFinished(() => rm(dataDir, { recursive: true }))
  const nothing = await run(['status', '--data-dir', dataDir])
  expect([nothing.status, nothing.stdout]).toEqual([1, ''])
  expect(nothing.stderr).toMatch(/no daemon runs here/)

  const budget = await DailyBudget.open(dataPaths(dataDir).spending, 5n * 10n ** 15n)
  await budget.take(2n * 10n ** 15n)
  await budget.close()
  const shown = await run(['status', '--data-dir', dataDir])
  expect([shown.status, shown.stderr]).toEqual([1, ''])
  expect(shown.stdout).toMatch(
    /^no daemon runs here; .*\n\n +bought jobs +0\.002 ETH in 24 hours, of 0\.005 ETH at most\n$/,
  )
  const { stdout } = await run(['status', '--data-dir', dataDir, '--json'])
  expect(JSON.parse(stdout)).toEqual({
    healthy: false,
    problems: ['no daemon runs here'],
    purchases: { spentWei: String(2n * 10n ** 15n), dailyBudgetWei: String(5n * 10n ** 15n) },
  })
})
