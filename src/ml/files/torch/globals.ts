/**
 * The allow-list of names in PyTorch checkpoints. Data-making functions of PyTorch are re-stated here on plain
 * data; classes of configurations (omegaconf, argparse, fairseq's enums) are kept as inert records. Whatever is
 * not listed is refused by name. Compare torch/_weights_only_unpickler.py.
 */

import type { Dtype } from '../dtype.js'
import { PickleError, PickleGlobal, PickleObject, type PickleValue } from '../pickle/values.js'
import { makeTensor, TorchTensor, torchDtypes, torchStorageClasses } from './storage.js'

/** A storage class, as it stands in a persistent id. */
export class TorchStorageClass extends PickleGlobal {
  /** Undefined for untyped storages, whose sizes are in bytes. */
  readonly dtype: Dtype | undefined

  constructor(name: string, dtype: Dtype | undefined) {
    super(name, () => refuseCall(name))
    this.dtype = dtype
  }
}

/** A torch.dtype used as a value. */
export class TorchDtype extends PickleGlobal {
  readonly dtype: Dtype

  constructor(name: string, dtype: Dtype) {
    super(name, () => refuseCall(name))
    this.dtype = dtype
  }
}

function refuseCall(name: string): never {
  throw new PickleError(`it calls ${name}`)
}

type Call = (args: readonly PickleValue[]) => PickleValue

/** Classes of which instances are kept as data. */
const INERT_CLASSES: readonly string[] = [
  'argparse.Namespace',
  'omegaconf.dictconfig.DictConfig',
  'omegaconf.listconfig.ListConfig',
  'omegaconf.base.ContainerMetadata',
  'omegaconf.base.Metadata',
  'omegaconf.base.Box',
  'omegaconf.base.Node',
  'omegaconf.nodes.AnyNode',
  'omegaconf.nodes.BooleanNode',
  'omegaconf.nodes.EnumNode',
  'omegaconf.nodes.FloatNode',
  'omegaconf.nodes.IntegerNode',
  'omegaconf.nodes.StringNode',
  'omegaconf.nodes.ValueNode',
  'typing.Any',
  'typing.Dict',
  'typing.List',
  'typing.Optional',
  'typing.Tuple',
  'typing.Union',
  // How Python pickles `List[int]`; a record like the rest: nothing is looked up.
  'operator.getitem',
  'numpy.dtype',
  'torch.device',
  'torch.Tensor',
  'torch.nn.parameter.Parameter',
  'builtins.object',
]

/** Configuration classes, enums and meters of fairseq: capitalised names in its modules, never its functions. */
const FAIRSEQ_CLASS = /^fairseq\.(?:[a-z0-9_]+\.)+[A-Z]\w*$/

/** Types named as values only (a `ContainerMetadata` names its key type). */
const TYPE_NAMES: readonly string[] = ['int', 'float', 'str', 'bool'].map((name) => `builtins.${name}`)

const pairs = (value: PickleValue | undefined): Map<PickleValue, PickleValue> => {
  if (value === undefined) return new Map()
  if (value instanceof Map) return new Map(value)
  const isPair = (item: PickleValue): item is [PickleValue, PickleValue] =>
    Array.isArray(item) && item.length === 2
  if (!Array.isArray(value) || !value.every(isPair)) throw new PickleError('a dict is made of something else')
  return new Map(value)
}

const list = (value: PickleValue | undefined): PickleValue[] => {
  if (value === undefined) return []
  if (!Array.isArray(value) && !(value instanceof Set))
    throw new PickleError('a list is made of something else')
  return [...value]
}

const frozen = (items: PickleValue[]): PickleValue[] => {
  Object.freeze(items)
  return items
}

const tensorOf = (value: PickleValue | undefined): TorchTensor => {
  if (!(value instanceof TorchTensor)) throw new PickleError('a parameter has no tensor')
  return value
}

const rebuildTensor: Call = ([storage, offset, shape, stride]) => makeTensor(storage, offset, shape, stride)

const FUNCTIONS: Readonly<Record<string, Call>> = {
  'collections.OrderedDict': ([items]) => pairs(items),
  'builtins.dict': ([items]) => pairs(items),
  'collections.Counter': ([items]) => pairs(items),
  // The factory (a type name) is dropped: nothing is ever looked up through it.
  'collections.defaultdict': () => new Map(),
  'builtins.list': ([items]) => list(items),
  'builtins.tuple': ([items]) => frozen(list(items)),
  'torch.Size': ([items]) => frozen(list(items)),
  // Protocols before 3 write empty bytes as a call without arguments.
  'builtins.bytes': () => new Uint8Array(0),
  'builtins.set': ([items]) => new Set(list(items)),
  'builtins.frozenset': ([items]) => new Set(list(items)),
  '_codecs.encode': ([text]) => {
    if (typeof text !== 'string' || /[^\0-\xff]/.test(text)) throw new PickleError('bytes are malformed')
    return new Uint8Array(Buffer.from(text, 'latin1'))
  },
  'copyreg._reconstructor': ([type]) => {
    if (!(type instanceof PickleGlobal)) throw new PickleError('an object has no class')
    return type.call([])
  },
  'numpy.core.multiarray.scalar': numpyScalar,
  'numpy._core.multiarray.scalar': numpyScalar,
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_tensor_v3': ([storage, offset, shape, stride, , , dtype]) => {
    if (!(dtype instanceof TorchDtype)) throw new PickleError('a tensor has no dtype')
    return makeTensor(storage, offset, shape, stride, dtype.dtype)
  },
  'torch._utils._rebuild_parameter': ([tensor]) => tensorOf(tensor),
  'torch._utils._rebuild_parameter_with_state': ([tensor]) => tensorOf(tensor),
  // Tensors with Python attributes: (function, type, arguments, state); the attributes are dropped.
  'torch._tensor._rebuild_from_type_v2': ([rebuild, , args]) => {
    if (!(rebuild instanceof PickleGlobal) || !Array.isArray(args))
      throw new PickleError('a tensor has no maker')
    return tensorOf(rebuild.call(args))
  },
}

/** numpy.dtype('f8') and eight bytes: a number. Other types than float and integer of 4 or 8 bytes stay records. */
function numpyScalar(args: readonly PickleValue[]): PickleValue {
  const [dtype, data] = args
  const code = dtype instanceof PickleObject ? dtype.args[0] : undefined
  const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data
  if (!(bytes instanceof Uint8Array)) return new PickleObject('numpy.scalar', args)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (code === 'f8' && bytes.length === 8) return view.getFloat64(0, true)
  if (code === 'f4' && bytes.length === 4) return view.getFloat32(0, true)
  if (code === 'i4' && bytes.length === 4) return view.getInt32(0, true)
  if (code === 'i8' && bytes.length === 8) {
    const wide = view.getBigInt64(0, true)
    return Number.isSafeInteger(Number(wide)) ? Number(wide) : wide
  }
  return new PickleObject('numpy.scalar', args)
}

/** Modules that Python 2 named otherwise. */
const RENAMED_MODULES: readonly (readonly [string, string])[] = [
  ['__builtin__.', 'builtins.'],
  ['copy_reg.', 'copyreg.'],
]

const ALLOWED: ReadonlyMap<string, PickleGlobal> = makeAllowed()

function makeAllowed(): ReadonlyMap<string, PickleGlobal> {
  const globals: PickleGlobal[] = Object.entries(FUNCTIONS).map(
    ([name, call]) => new PickleGlobal(name, call),
  )
  for (const name of [...INERT_CLASSES, ...TYPE_NAMES]) globals.push(inert(name))
  for (const [name, dtype] of torchStorageClasses) globals.push(new TorchStorageClass(`torch.${name}`, dtype))
  for (const name of ['torch.UntypedStorage', 'torch.storage.UntypedStorage'])
    globals.push(new TorchStorageClass(name, undefined))
  for (const [name, dtype] of torchDtypes) globals.push(new TorchDtype(`torch.${name}`, dtype))
  return new Map(globals.map((global) => [global.name, global]))
}

/** The host's lookup for {@link unpickle}. */
export function torchGlobal(name: string): PickleGlobal | undefined {
  const renamed = RENAMED_MODULES.find(([old]) => name.startsWith(old))
  const current = renamed === undefined ? name : renamed[1] + name.slice(renamed[0].length)
  if (FAIRSEQ_CLASS.test(current)) return inert(current)
  return ALLOWED.get(current)
}

function inert(name: string): PickleGlobal {
  return new PickleGlobal(name, (args) => new PickleObject(name, args))
}
