import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { PickleInput } from '../../../src/ml/files/pickle/input.js'
import { unpickle } from '../../../src/ml/files/pickle/machine.js'
import { PickleObject, toPlain } from '../../../src/ml/files/pickle/values.js'
import { torchGlobal } from '../../../src/ml/files/torch/globals.js'
import { TorchFile } from '../../../src/ml/files/torch/torch-file.js'
import { op, tensorOf, torchZip } from './files-builders.js'
import { isRefused, mutations, refusalOf, temporaryFile } from './files-support.js'

const open = (bytes: Uint8Array) => TorchFile.open(temporaryFile(bytes, 'model.bin'))
const six = { '0': Float32Array.of(0, 1, 2, 3, 4, 5) }

async function reading(body: string, storages: Readonly<Record<string, Float32Array>> = six) {
  const file = await open(torchZip(body, storages))
  const read = Object.fromEntries(
    await Promise.all(
      [...file.tensors.keys()].map(async (name) => [name, [...(await file.readFloat32(name))]] as const),
    ),
  )
  await file.close()
  return read
}

describe('views', () => {
  it.each([
    ['transposed', tensorOf('0', 6, [3, 2], [1, 3]), [0, 3, 1, 4, 2, 5]],
    ['offset and step', tensorOf('0', 6, [2], [2], 1), [1, 3]],
    ['expanded', tensorOf('0', 6, [2, 3], [0, 1]), [0, 1, 2, 0, 1, 2]],
    ['overlapping', tensorOf('0', 6, [2, 2], [1, 1], 3), [3, 4, 4, 5]],
    ['of size one with an odd stride', tensorOf('0', 6, [1, 3], [77, 1]), [0, 1, 2]],
    ['scalar', tensorOf('0', 6, [], [], 5), [5]],
    ['empty', tensorOf('0', 6, [0, 4], [4, 1]), []],
  ])('%s', async (_, tensor, expected) => {
    expect(await reading(op.dict(op.text('x'), tensor))).toEqual({ x: expected })
  })

  it.each([
    ['past the end', tensorOf('0', 6, [7], [1])],
    ['past the end by offset', tensorOf('0', 6, [2], [1], 5)],
    ['past the end by stride', tensorOf('0', 6, [2], [6])],
    ['negative stride', tensorOf('0', 6, [2], [-1], 3)],
    ['negative size', tensorOf('0', 6, [-1], [1])],
    ['stride without size', tensorOf('0', 6, [2], [1, 1])],
    ['a memory bomb by expansion', tensorOf('0', 6, [2 ** 30, 2 ** 20], [0, 0])],
    ['a size overflow', tensorOf('0', 6, [2 ** 30, 2 ** 30], [1, 1])],
    ['a storage larger than its entry', tensorOf('0', 7, [1], [1])],
    ['a storage that is not there', tensorOf('9', 6, [1], [1])],
    ['a storage described twice', op.tuple(tensorOf('0', 6, [1], [1]), tensorOf('0', 5, [1], [1]))],
  ])('refuses %s', async (_, tensor) => {
    await refusalOf(() => reading(op.dict(op.text('x'), tensor)))
  })
})

describe('state dicts', () => {
  const x = tensorOf('0', 6, [1], [1], 4)

  it('nested names join with dots; other values are left out', async () => {
    const body = op.dict(
      op.text('model'),
      op.dict(op.text('a'), x, op.text('_ema'), op.dict(op.text('b.c'), x), op.text('n'), 'N'),
    )
    expect(await reading(body)).toEqual({ a: [4], '_ema.b.c': [4] })
  })

  it('a dict that holds itself, and one nested too deep, are refused', async () => {
    await refusalOf(() => reading('}q\0(X\x01\0\0\0ah\0u'))
    let deep = op.dict(op.text('a'), x)
    for (let i = 0; i < 20; i++) deep = op.dict(op.text('a'), deep)
    await refusalOf(() => reading(deep))
  })
})

describe('harmless classes stay data', () => {
  it('argparse.Namespace, omegaconf, numpy scalars, sets and bytes', async () => {
    const config = `${op.global('omegaconf.dictconfig', 'DictConfig')})\x81${op.dict(op.text('_content'), op.dict(op.text('lr'), 'G\x3f\xe0\0\0\0\0\0\0'))}b`
    const namespace = `${op.global('argparse', 'Namespace')})\x81${op.dict(op.text('arch'), op.text('hubert'))}b`
    const dtype = op.call(op.global('numpy', 'dtype'), op.text('f8'), op.int(0), op.int(1))
    const bytes = op.call(
      op.global('_codecs', 'encode'),
      op.text('\0\0\0\0\0\0\u00f8\u003f'),
      op.text('latin1'),
    )
    const scalar = op.call(op.global('numpy.core.multiarray', 'scalar'), dtype, bytes)
    const set = op.call(op.global('__builtin__', 'set'), op.list(op.int(-3)))
    const file = await open(torchZip(op.tuple(config, namespace, scalar, set), {}))
    const plain = JSON.parse(JSON.stringify(toPlain(file.root)))
    expect(plain).toEqual([{ _content: { lr: 0.5 } }, { arch: 'hubert' }, 1.5, [-3]])
    const [first] = file.root as unknown[]
    expect(first).toBeInstanceOf(PickleObject)
    await file.close()
  })
})

it('old fairseq configurations: its classes, generic types and nodes are records', async () => {
  const generic = op.call(
    op.global('operator', 'getitem'),
    op.global('typing', 'List'),
    op.global('builtins', 'int'),
  )
  const node = `${op.global('omegaconf.nodes', 'AnyNode')})\x81${op.dict(op.text('_val'), op.int(7), op.text('ref'), generic)}b`
  const config = `${op.global('fairseq.models.wav2vec.wav2vec2', 'Wav2Vec2Config')})\x81${op.dict(op.text('n'), node)}b`
  const choice = op.call(op.global('fairseq.dataclass.constants', 'Choices'), op.text('json'))
  const file = await open(torchZip(op.tuple(config, choice)))
  expect(JSON.parse(JSON.stringify(toPlain(file.root)))).toEqual([
    { n: { _val: 7, ref: [null, null] } },
    ['json'],
  ])
  await file.close()
})

describe('what a pickle may not do', () => {
  it.each([
    'os.system',
    'builtins.eval',
    'builtins.getattr',
    'builtins.__import__',
    'torch.load',
    'torch.hub.load',
    'numpy.core.multiarray._reconstruct',
    'omegaconf.OmegaConf.load',
    'functools.partial',
    'fairseq.file_utils.cached_path',
    'fairseq.os.system',
    'collections.OrderedDict.fromkeys',
    'constructor.constructor',
  ])('%s is refused by name, in every spelling of an import', async (name) => {
    const dot = name.lastIndexOf('.')
    const [module, attribute] = [name.slice(0, dot), name.slice(dot + 1)]
    const spellings = [
      op.global(module, attribute),
      `${op.text(module)}${op.text(attribute)}\x93`,
      `(i${module}\n${attribute}\n`,
    ]
    for (const spelling of spellings) {
      const error = await refusalOf(() => open(torchZip(op.call(spelling, op.text('x')))))
      expect(error.code).toBe('DENIED')
      expect(error.message).toContain(`"${name}"`)
    }
  })

  it.each([
    ['calling a dict', '}(tR'],
    ['calling a dtype', `${op.global('torch', 'float32')}(tR`],
    ['an extension code', '\x82\x01'],
    ['an unknown opcode', '\xff'],
    ['a memo entry that is not there', 'h\x07'],
    ['an empty stack', '0'],
    ['a mark that is missing', 't'],
    ['a string past the end', 'X\xff\xff\xff\x7f'],
    ['a long string past the end', '\x8d\xff\xff\xff\xff\xff\xff\xff\x7f'],
    ['an integer of gigabytes', '\x8b\xff\xff\xff\x7f'],
    ['appending to a tuple', ')(Ne'],
    ['a key without a value', '}(Nu'],
    ['state for a list', ']}b'],
    ['a persistent id that is no storage', 'NQ'],
    ['text that is not UTF-8', 'X\x01\0\0\0\xff'],
    ['keyword arguments', `${op.global('torch', 'Size')})}(X\x01\0\0\0aNu\x92`],
    ['a protocol of the future', '\x80\x09N'],
  ])('%s', async (_, body) => {
    await refusalOf(() => open(torchZip(body)))
  })

  it('grow without bound: a stack of millions ends in a refusal', async () => {
    const error = await refusalOf(() => open(torchZip(`(${'N'.repeat(4_000_001)}t`)))
    expect(error.message).toContain('stack grows too high')
  })

  it('blow a small file up through shared references', async () => {
    let body = op.list('N')
    for (let i = 0; i < 40; i++) body = `${body}q\x01](h\x01h\x01e`
    const file = await open(torchZip(body))
    expect(() => toPlain(file.root)).toThrow(/too deeply/)
    await file.close()
  })

  it('nest ten thousand deep without our stack noticing', async () => {
    const file = await open(torchZip(`${'('.repeat(10_000)}${'t'.repeat(10_000)}`))
    expect(file.tensors.size).toBe(0)
    expect(() => toPlain(file.root)).toThrow(/too deeply/)
    await file.close()
  })
})

describe('every protocol of CPython gives the same values', () => {
  const { values, protocols } = JSON.parse(
    readFileSync(fileURLToPath(new URL('../../fixtures/pickle/protocols.json', import.meta.url)), 'utf8'),
  ) as { values: unknown[]; protocols: string[] }
  /** Numbers and containers tagged as in the fixture. */
  const tagged = (value: unknown, like: unknown): unknown => {
    const isFloat = typeof like === 'object' && like !== null && 'float' in like
    if (typeof value === 'bigint') return { int: String(value) }
    if (typeof value === 'number' && isFloat) return { float: Object.is(value, -0) ? '-0.0' : String(value) }
    if (typeof value === 'number') return { int: String(value) }
    if (value instanceof Uint8Array) return { bytes: [...value] }
    if (value instanceof Set) return { set: [...value].map((item) => tagged(item, null)) }
    if (value instanceof Map)
      return { dict: [...value].map((pair) => pair.map((item) => tagged(item, null))) }
    return Array.isArray(value) ? { list: value.map((item) => tagged(item, null)) } : value
  }
  it.each(protocols.map((bytes, protocol) => [protocol, bytes] as const))('protocol %i', (_, bytes) => {
    const host = { global: torchGlobal, persistent: () => null }
    const read = unpickle(PickleInput.fromBytes(Buffer.from(bytes, 'base64')), host)
    expect((read as unknown[]).map((value, i) => tagged(value, values[i]))).toEqual(values)
  })
})

describe('values of the older protocols', () => {
  it('text opcodes', async () => {
    const body = op.tuple(
      'I01\n',
      'I-7\n',
      'L123456789012345678901L\n',
      'F1.5\n',
      "S'a\\n\\x41\\''\n",
      'Va\\u00e9\n',
      'I00\n',
    )
    const file = await open(torchZip(`${body}p5\n0g5\n`))
    expect(file.root).toEqual([true, -7, 123456789012345678901n, 1.5, "a\nA'", 'aé', false])
    await file.close()
  })

  it('binary opcodes', async () => {
    const body = op.tuple(
      '\x8a\x01\xff',
      '\x8a\x00',
      'M\xff\xff',
      'U\x01\xe9',
      'C\x02\x01\x02',
      'G\xff\xf0\0\0\0\0\0\0',
    )
    const file = await open(torchZip(body))
    expect(file.root).toEqual([-1, 0, 65535, 'é', Uint8Array.of(1, 2), Number.NEGATIVE_INFINITY])
    await file.close()
  })
})

describe('fuzz: damaged files are refused or read, nothing else', () => {
  const cases = fileURLToPath(new URL('../../fixtures/golden/15-pickle-checkpoints/', import.meta.url))
  const files = readdirSync(cases, { recursive: true })
    .map((name) => join(cases, String(name)))
    .filter((path) => /\.(bin|pt)$/.test(path) && statSync(path).size < 20_000)

  it('has files to damage', () => expect(files.length).toBeGreaterThan(6))
  it.each(files)('%s', async (path) => {
    const bytes = readFileSync(path)
    let refused = 0
    const count = 60
    for (const damaged of mutations(bytes, count, bytes.length)) {
      const attempt = async () => {
        const file = await TorchFile.open(temporaryFile(damaged))
        try {
          for (const name of file.tensors.keys()) await file.readBytes(name)
        } finally {
          await file.close()
        }
      }
      if (await isRefused(attempt)) refused++
    }
    expect(refused).toBeGreaterThan(count / 3)
  })
})
