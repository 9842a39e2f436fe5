/** The three ways a pickle fills a value it has made: append, set item, set state. */

import { PickleError, PickleObject, type PickleValue } from './values.js'

export function appendAll(target: PickleValue, items: readonly PickleValue[]): void {
  if (target instanceof Set) for (const item of items) target.add(item)
  else if (Array.isArray(target) && !Object.isFrozen(target)) for (const item of items) target.push(item)
  else throw new PickleError('it appends to something that is no list')
}

/** @param pairs key, value, key, value */
export function setAll(target: PickleValue, pairs: readonly PickleValue[]): void {
  if (!(target instanceof Map)) throw new PickleError('it sets items of something that is no dict')
  if (pairs.length % 2 === 1) throw new PickleError('a dict key has no value')
  for (let i = 0; i < pairs.length; i += 2) {
    const key = pairs[i]
    const value = pairs[i + 1]
    if (key !== undefined && value !== undefined) target.set(key, value)
  }
}

/** Attributes of a dict (`_metadata` of a state dict) are dropped; an object keeps its state as data. */
export function build(target: PickleValue, state: PickleValue): void {
  if (target instanceof Map) return
  if (!(target instanceof PickleObject)) throw new PickleError('it sets the state of something that has none')
  target.state = state
}
