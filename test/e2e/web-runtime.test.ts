/** A machine for which the native runtime has no build: the same models run on the WebAssembly one. */
import { execFileSync } from 'node:child_process'
import { beforeAll, describe, expect, it } from 'vitest'
import { firstCase } from '../unit/models/checkpoint-copies.js'
import { ensureBuilt } from './cli-process.js'

beforeAll(ensureBuilt, 120_000)

const dataUrl = (source: string): string => `data:text/javascript,${encodeURIComponent(source)}`

/** Makes the native runtime's package one that cannot be loaded. */
const WITHOUT_NATIVE = dataUrl(`
  import { register } from 'node:module'
  register(${JSON.stringify(
    dataUrl(`
      export async function resolve(name, context, next) {
        if (name === 'onnxruntime-node') throw new Error('no build for this platform')
        return next(name, context)
      }`),
  )})`)

const dist = (path: string): string => new URL(`../../dist/${path}`, import.meta.url).href

/** Runs a module in a process without the native runtime. @returns what it printed, as JSON. */
function without(source: string, imports: readonly string[] = [WITHOUT_NATIVE]): Record<string, unknown> {
  const args = [...imports.flatMap((url) => ['--import', url]), '--input-type=module', '-e', source]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Record<string, unknown>
}

const recognise = (folder: string, int8: boolean): string => `
  import { loadRuntime } from '${dist('ml/session/runtime.js')}'
  import { SpeechModel } from '${dist('models/wav2vec2/model.js')}'
  import { SafetensorsFile } from '${dist('ml/files/safetensors-reader.js')}'
  const folder = ${JSON.stringify(folder)}
  const { kind } = await loadRuntime()
  const model = await SpeechModel.open(folder, { int8: ${int8} })
  const io = await SafetensorsFile.open(folder + '/io.safetensors')
  const { logits } = await model.run(model.prepare([await io.readFloat32('audio.0')]))
  console.log(JSON.stringify({ kind, shape: logits.shape, logits: Array.from(logits.data) }))
  await model.close()
  await io.close()`

describe('without a native runtime', () => {
  it.each([false, true])(
    'a checkpoint is served from its directory, with the same results (int8: %s)',
    (int8) => {
      const { folder } = firstCase('01')
      const web = without(recognise(folder, int8))
      const native = without(recognise(folder, int8), [])
      expect(web.kind).toBe('web')
      expect(native.kind).toBe('native')
      expect(web.shape).toEqual(native.shape)
      const expected = native.logits as number[]
      const size = Math.max(...expected.map(Math.abs))
      const worst = Math.max(
        ...(web.logits as number[]).map((value, i) => Math.abs(value - (expected[i] ?? 0))),
      )
      expect(expected.length).toBeGreaterThan(100)
      // Rounding to eight bits falls to the other side where sums differ in their last bit.
      expect(worst / size).toBeLessThan(int8 ? 0.05 : 1e-4)
    },
  )

  it('says so where neither loads', () => {
    const neither = WITHOUT_NATIVE.replace(
      encodeURIComponent(encodeURIComponent("name === 'onnxruntime-node'")),
      encodeURIComponent(encodeURIComponent("name.startsWith('onnxruntime')")),
    )
    const source = `
      import { loadRuntime } from '${dist('ml/session/runtime.js')}'
      const message = await loadRuntime().catch((error) => error.message)
      console.log(JSON.stringify({ message }))`
    expect(neither).not.toBe(WITHOUT_NATIVE)
    expect(without(source, [neither]).message).toMatch(
      /no ONNX runtime loads: native: no build.*; web: no build/,
    )
  })
})
