import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PickleError, toPlain } from '../../src/ml/files/pickle/values.js'
import { TorchFile } from '../../src/ml/files/torch/torch-file.js'
import {
  bounded,
  damaged,
  fileOf,
  fuzzRuns,
  fuzzTimeout,
  outcome,
  processorSeconds,
  refusal,
} from '../support/damage.js'
import { makeZip, op, pickle, tensorOf, torchZip } from '../unit/ml/files-builders.js'

const FLOATS = { '0': Float32Array.of(0, 1, 2, 3, 4, 5) }

/** Opens a PyTorch file, reads its tensors and its configuration. */
async function readAll(path: string): Promise<TorchFile> {
  const file = await TorchFile.open(path)
  try {
    for (const name of file.tensors.keys()) await file.readFloat32(name, { rounding: true })
    try {
      toPlain(file.root)
    } catch (error) {
      if (!(error instanceof PickleError)) throw error
    }
    return file
  } finally {
    await file.close()
  }
}

const asFile = (body: string | Uint8Array): string =>
  fileOf(
    typeof body === 'string'
      ? torchZip(body, FLOATS)
      : makeZip([
          { name: 'archive/data.pkl', data: body },
          { name: 'archive/data/0', data: new Uint8Array(FLOATS['0'].buffer) },
        ]),
    'hostile.bin',
  )

describe('pickles of arbitrary opcodes give data or one line', () => {
  const names = [
    ['collections', 'OrderedDict'],
    ['builtins', 'list'],
    ['builtins', 'set'],
    ['builtins', 'tuple'],
    ['_codecs', 'encode'],
    ['copyreg', '_reconstructor'],
    ['numpy.core.multiarray', 'scalar'],
    ['numpy', 'dtype'],
    ['torch', 'FloatStorage'],
    ['torch', 'float32'],
    ['torch._utils', '_rebuild_tensor_v2'],
    ['torch._utils', '_rebuild_tensor_v3'],
    ['torch._utils', '_rebuild_parameter'],
    ['torch._tensor', '_rebuild_from_type_v2'],
    ['argparse', 'Namespace'],
    ['omegaconf.dictconfig', 'DictConfig'],
  ] as const
  const simple = [...'().012NNNN])}t\x85\x86\x87laedsu\x8f\x90\x91R\x81\x92obQ\x93\x94\x88\x89']
  const piece = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...simple.filter((each) => each !== '.')) },
    { weight: 2, arbitrary: fc.constantFrom(...names).map(([module, name]) => op.global(module, name)) },
    { weight: 2, arbitrary: fc.constantFrom('', 'x', 'storage', '0', 'cpu', 'model').map(op.text) },
    { weight: 2, arbitrary: fc.integer({ min: -2, max: 7 }).map(op.int) },
    { weight: 2, arbitrary: fc.constant(tensorOf('0', 6, [2, 3], [3, 1])) },
    { weight: 1, arbitrary: fc.nat(3).map((index) => `q${String.fromCharCode(index)}`) },
    { weight: 1, arbitrary: fc.nat(3).map((index) => `h${String.fromCharCode(index)}`) },
    {
      weight: 1,
      arbitrary: fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    },
  )

  it(
    'drawn one after another',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(piece, { maxLength: 40 }), async (pieces) => {
          const path = asFile(pieces.join(''))
          await outcome(path, () => readAll(path))
        }),
        fuzzRuns(1500),
      )
    },
    fuzzTimeout(1500),
  )

  it('of every protocol, damaged', async () => {
    const all = JSON.parse(
      readFileSync(fileURLToPath(new URL('../fixtures/pickle/protocols.json', import.meta.url)), 'utf8'),
    ) as { readonly pickles: Readonly<Record<string, string>> } | Readonly<Record<string, unknown>>
    const texts = [...strings(all)]
      .map((text) => Buffer.from(text, 'base64'))
      .filter((bytes) => bytes.length > 1)
    expect(texts.length).toBeGreaterThan(5)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...texts).chain(damaged), async (bytes) => {
        const path = asFile(bytes)
        await outcome(path, () => readAll(path))
      }),
      fuzzRuns(300),
    )
  })
})

function* strings(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value
  else if (typeof value === 'object' && value !== null)
    for (const each of Object.values(value)) yield* strings(each)
}

/** Opcodes for "memo entry `index`" of any index. */
const put = (index: number): string => `r${op.int(index).slice(1)}`
const get = (index: number): string => `j${op.int(index).slice(1)}`
const MARK = '('

describe('pickles that ask for the machine are refused, and cost little', () => {
  const list = op.global('builtins', 'list')
  const x = tensorOf('0', 6, [1], [1], 4)
  /** A tuple of two of a tuple of two of ...: 2^depth leaves in depth steps. */
  const doubled = (depth: number): string => {
    let body = `N\x85${put(0)}`
    for (let i = 1; i <= depth; i++) body += `${get(i - 1)}${get(i - 1)}\x86${put(i)}`
    return body
  }
  /** A dict whose `width` entries are all one dict, `depth` times over. */
  const wide = (width: number, depth: number): string => {
    let body = `${op.dict(op.text('t'), x)}${put(0)}0`
    for (let level = 1; level <= depth; level++) {
      const entries = Array.from({ length: width }, (_, i) => op.int(i) + get(level - 1))
      body += `}${MARK}${entries.join('')}u${put(level)}${level === depth ? '' : '0'}`
    }
    return body
  }

  it.each<[string, () => string]>([
    [
      'a hundred copies of a list of a million',
      () => `](${'N'.repeat(1e6)}e${put(0)}0${MARK}${`${list}${get(0)}\x85R`.repeat(100)}l`,
    ],
    [
      'a thousand copies of two megabytes of text',
      () => {
        const encode = op.global('_codecs', 'encode')
        return `${op.text('a'.repeat(2e6))}${put(0)}0${MARK}${`${encode}${get(0)}${op.text('latin1')}\x86R`.repeat(1000)}l`
      },
    ],
    ['six million empty dicts', () => `](${'}'.repeat(3e6)}e(${'}'.repeat(3e6)}e`],
    ['three million marks', () => MARK.repeat(3e6)],
    ['five million memo entries', () => `N${Array.from({ length: 5e6 }, () => '\x94').join('')}`],
    ['names that double at every step', () => `}${MARK}${doubled(60)}${x}u`],
    ['dicts shared over and over', () => op.dict(op.text('model'), wide(300, 7))],
    [
      'a name of sixty megabytes for each of ten thousand tensors',
      () => {
        const inner = Array.from({ length: 10_000 }, (_, i) => op.int(i) + get(0)).join('')
        return `${x}${put(0)}0}${MARK}${op.text('n'.repeat(6e7))}}${MARK}${inner}uu`
      },
    ],
    [
      'a shape that grows after it was checked',
      () => {
        const shape = `]${put(5)}${op.int(1)}a`
        const stride = `]${put(6)}${op.int(1)}a`
        const storage = `${op.tuple(op.text('storage'), op.global('torch', 'FloatStorage'), op.text('0'), op.text('cpu'), op.int(6))}Q`
        const tensor = op.call(
          op.global('torch._utils', '_rebuild_tensor_v2'),
          storage,
          op.int(0),
          shape,
          stride,
          '\x89',
          '}',
        )
        const grown = `${get(5)}${op.int(2 ** 30)}a0${get(6)}${op.int(0)}a0`
        return `}${op.text('a')}${tensor}s${op.text('z')}${MARK}${grown}1Ns`
      },
    ],
    ['a thousand dicts in each other', () => `${'}'.repeat(1000)}${op.text('a')}Ns`],
    ['a hundred thousand lists in each other', () => `${']'.repeat(100_000)}${'a'.repeat(99_999)}`],
    ['an integer of four gigabytes', () => `\x8b${op.int(0x7fffffff).slice(1)}`],
    ['a string of four gigabytes', () => `X${op.int(-1).slice(1)}`],
    ['bytes of eight exabytes', () => `\x8e${'\xff'.repeat(8)}`],
    ['a frame of eight exabytes', () => `\x95${'\xff'.repeat(8)}N`],
    ['a line without end', () => `I${'1'.repeat(3e6)}`],
    ['a number of a million digits', () => `L${'9'.repeat(9e5)}L\n`],
  ])('%s', async (_, body) => {
    const path = asFile(body())
    const started = process.cpuUsage()
    await bounded(async () => {
      const found = await outcome(path, () => readAll(path))
      // What is harmless may be read; nothing may be read that was refused its size.
      if ('value' in found)
        for (const { shape } of found.value.tensors.values()) expect(shape.length).toBeLessThan(2)
    })
    expect(processorSeconds(started)).toBeLessThan(30)
  })

  it('thirty megabytes that are no text', async () => {
    const bytes = Buffer.concat([
      Buffer.from(`\x80\x02T${Buffer.from(Uint32Array.of(3e7).buffer).toString('latin1')}`, 'latin1'),
      Buffer.alloc(3e7, 0xff),
      Buffer.from('.'),
    ])
    const path = asFile(bytes)
    await bounded(() => outcome(path, () => readAll(path)))
  })

  it('a zip bomb: a pickle of a gigabyte in a megabyte', async () => {
    const small = makeZip([
      { name: 'archive/data.pkl', data: Buffer.alloc(2 ** 27 + 1, 0x4e), deflate: true },
    ])
    const honest = fileOf(small, 'bomb.bin')
    await bounded(() => refusal(honest, () => readAll(honest)))
    const lying = makeZip([
      { name: 'archive/data.pkl', data: Buffer.alloc(2 ** 27, 0x4e), deflate: true, size: 100 },
    ])
    const path = fileOf(lying, 'bomb.bin')
    await bounded(() => refusal(path, () => readAll(path)))
  })
})

describe('pickles that would run something', () => {
  const marker = '/tmp/pwned-by-pickle'
  const command = op.text(`touch ${marker}`)
  const system = op.global('posix', 'system')
  it.each<[string, string]>([
    ['GLOBAL and REDUCE', op.call(system, command)],
    ['STACK_GLOBAL', `${op.text('posix')}${op.text('system')}\x93${command}\x85R`],
    ['INST', `(${command}iposix\nsystem\n`],
    ['OBJ', `(${system}${command}o`],
    ['NEWOBJ', `${system}${command}\x85\x81`],
    ['NEWOBJ_EX', `${system}${command}\x85}\x92`],
    [
      'BUILD with a reducer of its own',
      `${op.global('argparse', 'Namespace')})\x81${op.dict(op.text('__setstate__'), system)}b${command}b`,
    ],
    ['a Python 2 name', op.call(op.global('__builtin__', 'eval'), command)],
    [
      'a factory of a defaultdict',
      op.call(op.global('collections', 'defaultdict'), op.global('posix', 'system')),
    ],
    [
      'a class of fairseq that is a function',
      op.call(op.global('fairseq.utils', 'import_user_module'), command),
    ],
    ['a dotted name', op.call(op.global('torch', 'serialization.os.system'), command)],
    [
      'a name with a newline hidden by STACK_GLOBAL',
      `${op.text('torch\nos')}${op.text('system')}\x93${command}\x85R`,
    ],
    ['a name of JavaScript', op.call(op.global('constructor', 'constructor'), command)],
    ['a prototype', op.call(op.global('__proto__', 'toString'), command)],
  ])('%s', async (_, body) => {
    const path = asFile(body)
    const error = await refusal(path, () => readAll(path))
    expect(error.code).toBe('DENIED')
    expect(existsSync(marker)).toBe(false)
  })

  it('an object that sets its own attributes stays a record, and no prototype is touched', async () => {
    const namespace = `${op.global('argparse', 'Namespace')})\x81${op.dict(op.text('__proto__'), op.dict(op.text('polluted'), 'N'))}b`
    const file = await readAll(asFile(op.dict(op.text('cfg'), namespace)))
    expect(JSON.stringify(toPlain(file.root))).toContain('polluted')
    expect('polluted' in {}).toBe(false)
  })

  it('the malicious files of the golden set', async () => {
    const folder = fileURLToPath(
      new URL('../fixtures/golden/15-pickle-checkpoints/malicious', import.meta.url),
    )
    const files = readdirSync(folder)
    expect(files.length).toBeGreaterThan(2)
    for (const file of files) await refusal(join(folder, file), () => readAll(join(folder, file)))
    expect(existsSync(marker)).toBe(false)
  })
})

it('legacy files whose chain of pickles breaks off or goes on', async () => {
  const magic = `\x8a\x0a${Buffer.from('6cfc9c46f9206aa85019', 'hex').toString('latin1')}`
  const chain = (...bodies: readonly string[]): string =>
    fileOf(Buffer.concat(bodies.map((body) => pickle(body))), 'legacy.bin')
  for (const bodies of [
    [magic],
    [magic, 'M\xe9\x03'],
    [magic, 'M\xe9\x03', '}'],
    [magic, 'M\xe9\x03', '}', '}', 'N'],
  ]) {
    const path = chain(...bodies)
    await refusal(path, () => readAll(path))
  }
  expect((await readAll(chain(magic, 'M\xe9\x03', '}', '}', ']'))).tensors.size).toBe(0)
})
