/** Finds the tensors in what torch.save was given: a state dict, or a dict that holds one (fairseq, Lightning). */

import { nameOf, PickleError, type PickleValue } from '../pickle/values.js'
import { TorchTensor } from './storage.js'

/** Where trainers put the state dict, in order of preference. */
const STATE_DICT_KEYS = ['model', 'state_dict', 'model_state_dict', 'module'] as const
/** `_ema` and the like nest one or two levels; more is no state dict. */
const MAX_DEPTH = 8
/** Dicts may be shared over and over: a small file can hold a tree without end. */
const MAX_ENTRIES = 1_000_000
/** Published names have some 100 characters; each tensor gets a copy of its own. */
const MAX_NAME_CHARACTERS = 1000

/**
 * Tensors by name; nested dicts join their keys with dots (`_ema.blocks.0.weight`). What is no tensor is left out.
 * @throws PickleError for cycles, excessive depth or breadth, long names, or two tensors of one name
 */
export function collectTensors(root: PickleValue): ReadonlyMap<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>()
  let entries = 0
  const collect = (dict: Map<PickleValue, PickleValue>, prefix: string, depth: number): void => {
    if (depth > MAX_DEPTH) throw new PickleError('its dicts of tensors nest too deeply')
    for (const [key, value] of dict) {
      if (++entries > MAX_ENTRIES) throw new PickleError(`it has more than ${MAX_ENTRIES} entries`)
      if (!(value instanceof TorchTensor || value instanceof Map)) continue
      const name = prefix + nameOf(key)
      if (name.length > MAX_NAME_CHARACTERS) throw new PickleError('the name of a tensor is too long')
      if (value instanceof TorchTensor) {
        if (tensors.has(name)) throw new PickleError('two tensors have one name')
        tensors.set(name, value)
      } else collect(value, `${name}.`, depth + 1)
    }
  }
  const dict = stateDict(root)
  if (dict !== undefined) collect(dict, '', 0)
  return tensors
}

function stateDict(root: PickleValue): Map<PickleValue, PickleValue> | undefined {
  if (!(root instanceof Map)) return undefined
  for (const key of STATE_DICT_KEYS) {
    const inner = root.get(key)
    if (inner instanceof Map) return inner
  }
  return root
}
