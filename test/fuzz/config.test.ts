import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { loadConfig } from '../../src/config/load.js'
import { CONFIG_LEAVES, environmentName } from '../../src/config/schema.js'
import { configTemplate } from '../../src/config/template.js'
import { UserError } from '../../src/errors.js'

const numRuns = Number(process.env.FUZZ_RUNS ?? 300)

let path = ''
let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-fuzz-'))
  path = join(directory, 'config.yaml')
})
afterAll(() => rm(directory, { recursive: true, force: true }))

/** Loads, or says that it was refused with one line; anything else fails the test. */
async function attempt(yaml: string, env: Record<string, string> = {}): Promise<'loaded' | 'refused'> {
  await writeFile(path, yaml)
  try {
    await loadConfig({ configPath: path, env, flags: { dataDir: directory } })
    return 'loaded'
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    expect(error.line).not.toContain('\n')
    return 'refused'
  }
}

describe('configuration files', () => {
  it('survive any text', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: 'binary', maxLength: 80 })),
        (text) => attempt(text).then(() => true),
      ),
      { numRuns },
    )
  })

  it('survive the template with characters changed, dropped and doubled', async () => {
    const template = configTemplate()
    const edit = fc.record({
      at: fc.nat(template.length - 1),
      text: fc.constantFrom('', ':', '- ', '"', '{', '\n', '\t', '&a ', '*a', '!!x ', '9'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
        const text = edits.reduce(
          (sum, each) => sum.slice(0, each.at) + each.text + sum.slice(each.at + 1),
          template,
        )
        await attempt(text)
      }),
      { numRuns },
    )
  })

  it('survive any value in any field, from the file and from the environment', async () => {
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.integer(), fc.double(), fc.string())
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...CONFIG_LEAVES),
        value,
        fc.string({ maxLength: 30 }),
        async (leaf, any, text) => {
          const nested = leaf.path.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), any)
          await attempt(stringify(nested))
          await attempt('', { [environmentName(leaf.path)]: text.replaceAll('\u0000', '') })
        },
      ),
      { numRuns },
    )
  })
})
