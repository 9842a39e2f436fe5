/** A price that no client may come to owe: refused where it is asked for now, told where a configuration has it. */
import { expect, it } from 'vitest'
import { requireSaleable } from '../../../src/cli/sold-prices.js'
import { loadConfig } from '../../../src/config/load.js'

it('keeps a provider from starting only where it was asked for now', async () => {
  const check = async (models: readonly string[], isAskedNow: boolean): Promise<readonly string[]> => {
    const flags = { 'inference.provider.models': models, 'inference.provider.clientExposure': '1000 wei' }
    const { config } = await loadConfig({ env: {}, flags })
    const told: string[] = []
    await requireSaleable(config, { isAskedNow, warn: (line) => told.push(line) })
    return told
  }
  const dear = ['asr-small=1001 wei', 'language-id=5 wei']
  await expect(check(dear, true)).rejects.toMatchObject({ code: 'BAD_CONFIG', exitStatus: 2 })
  expect(await check(dear, false)).toEqual([expect.stringMatching(/^asr-small could never be sold/)])
  expect(await check(['asr-small=1000 wei'], true)).toEqual([])
  // Nothing that a provider could start with.
  const twice = ['asr-small=1 wei', 'asr-small=2 wei']
  for (const isAskedNow of [true, false]) await expect(check(twice, isAskedNow)).rejects.toThrow(/asr-small/)
})
