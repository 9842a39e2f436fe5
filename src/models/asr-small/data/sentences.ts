/**
 * Sentences for synthetic speech: half from general text, half of the domain (prompts, numbers, spelling). What
 * sentences there are decides how well the recogniser generalises, more than how many hours are synthesised.
 */
import type { Random } from '../../../ml/train/random.js'
import { normaliseText, numberWords, wordsOf } from '../text.js'

const LEAST_WORDS = 3
const MOST_WORDS = 14
/** A spoken line longer than this is too long for a batch of short ones. */
const MOST_CHARACTERS = 90

const fits = (sentence: string): boolean => {
  const count = wordsOf(sentence).length
  return count >= LEAST_WORDS && count <= MOST_WORDS && sentence.length <= MOST_CHARACTERS
}

/** Verses `Ge1:1 In the beginning...` as clauses. */
export function versesToClauses(text: string): readonly string[] {
  const clauses: string[] = []
  for (const line of text.split('\n'))
    for (const part of line.replace(/^\S+\s/, '').split(/[.;:?!]/)) clauses.push(normaliseText(part))
  return clauses.filter(fits)
}

/** The examples in WordNet's glosses: text in double quotes after the bar (wndb(5)). */
export function wordNetExamples(data: string): readonly string[] {
  const examples: string[] = []
  for (const line of data.split('\n')) {
    const gloss = line.split(' | ')[1]
    if (gloss === undefined || line.startsWith('  ')) continue
    for (const [, quoted] of gloss.matchAll(/"([^"]+)"/g)) if (quoted) examples.push(normaliseText(quoted))
  }
  return examples.filter(fits)
}

/** Walks over pairs of words that follow one another in the given sentences: new sentences of known phrases. */
export class PhraseWalk {
  readonly #next = new Map<string, string[]>()
  readonly #starts: (readonly [string, string])[] = []

  constructor(sentences: readonly string[]) {
    for (const sentence of sentences) {
      const words = wordsOf(sentence)
      const [first, second] = words
      if (first === undefined || second === undefined) continue
      this.#starts.push([first, second])
      for (let i = 0; i + 2 <= words.length; i++) {
        const key = words[i + 1] ?? ''
        const follower = words[i + 2]
        if (follower === undefined) continue
        const known = this.#next.get(key)
        if (known === undefined) this.#next.set(key, [follower])
        else known.push(follower)
      }
    }
  }

  /** One walk of at most {@link MOST_WORDS} words. @throws RangeError where no sentence has two words. */
  draw(random: Random): string {
    const start = this.#starts[random.below(this.#starts.length)]
    if (start === undefined) throw new RangeError('no sentence has two words')
    const words: string[] = [...start]
    const length = LEAST_WORDS + random.below(MOST_WORDS - LEAST_WORDS)
    while (words.length < length) {
      const followers = this.#next.get(words.at(-1) ?? '')
      if (followers === undefined) break
      words.push(followers[random.below(followers.length)] ?? '')
    }
    return words.join(' ')
  }
}

const pick = <T>(random: Random, items: readonly T[]): T => {
  const item = items[random.below(items.length)]
  if (item === undefined) throw new RangeError('nothing to choose from')
  return item
}

const DAYS = 'monday tuesday wednesday thursday friday saturday sunday'.split(' ')
const MONTHS = 'january february march april may june july august september october november december'.split(
  ' ',
)
const LETTERS = [...'abcdefghijklmnopqrstuvwxyz']
const PHONETIC =
  'alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu'.split(
    ' ',
  )
const SYMBOLS =
  'star pound dash dot slash plus equals comma colon underscore percent at space hash quote left bracket'.split(
    ' ',
  )
const ordinalUnits =
  'first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth'.split(
    ' ',
  )

const digits = (random: Random, least: number, most: number): string =>
  Array.from({ length: least + random.below(most - least + 1) }, () => numberWords(random.below(10))).join(
    ' ',
  )

const run = (random: Random, items: readonly string[], least: number, most: number): string =>
  Array.from({ length: least + random.below(most - least + 1) }, () => pick(random, items)).join(' ')

/** A number, a date, a time, an amount, a spelling. */
export function drawNumberSentence(random: Random): string {
  const hour = numberWords(1 + random.below(12))
  const minute = random.below(60)
  const clock = `${hour} ${minute === 0 ? "o'clock" : minute < 10 ? `oh ${numberWords(minute)}` : numberWords(minute)}`
  switch (random.below(12)) {
    case 0:
      return digits(random, 3, 10)
    case 1:
      return numberWords(random.below(1000))
    case 2:
      return numberWords(random.below(1_000_000))
    case 3:
      return `${pick(random, DAYS)} ${pick(random, MONTHS)} ${pick(random, ordinalUnits)}`
    case 4:
      return `${clock} ${pick(random, ['a m', 'p m'])}`
    case 5:
      return `${numberWords(random.below(100))} dollars and ${numberWords(random.below(100))} cents`
    case 6:
      return run(random, LETTERS, 1, 6)
    case 7:
      return run(random, PHONETIC, 1, 5)
    case 8:
      return run(random, SYMBOLS, 1, 4)
    case 9:
      return `${numberWords(random.below(100))} ${pick(random, ['seconds', 'minutes', 'hours', 'days', 'messages', 'callers', 'percent'])}`
    case 10:
      return `${pick(random, [...DAYS, 'today', 'tomorrow', 'yesterday'])} at ${clock}`
    default:
      return `${pick(random, ['extension', 'number', 'mailbox', 'press', 'dial', 'channel', 'code', 'room'])} ${digits(random, 1, 5)}`
  }
}

/** What a voice menu says: shapes of our own, filled from everyday words. */
export function drawMenuSentence(random: Random): string {
  const key = pick(random, [...Array.from({ length: 10 }, (_, i) => numberWords(i)), 'star', 'pound', 'hash'])
  const action = `${pick(random, ['hear', 'change', 'delete', 'save', 'repeat', 'record', 'forward', 'skip', 'check', 'cancel', 'open', 'pay', 'choose', 'review', 'play', 'stop', 'find', 'update', 'join', 'leave'])} ${pick(random, ['your', 'the', 'this', 'a new', 'another', 'the last', 'the next', 'all'])} ${pick(random, ['message', 'greeting', 'order', 'call', 'account', 'password', 'folder', 'number', 'name', 'menu', 'list', 'line', 'service', 'payment', 'balance', 'appointment', 'address', 'office', 'device', 'network', 'meeting', 'recording', 'option', 'user', 'volume'])}`
  switch (random.below(6)) {
    case 0:
      return `press ${key} to ${action}`
    case 1:
      return `to ${action} press ${key}`
    case 2:
      return `please ${action} and then press the ${key} key`
    case 3:
      return `${pick(random, ['sorry', 'i am sorry', 'thank you', 'welcome', 'please hold', 'attention', 'good morning', 'hello'])} ${pick(random, ['we could not', 'you cannot', 'you may now', 'you have to', 'they wish to', 'nobody can', 'we will'])} ${action}`
    case 4:
      return `your ${pick(random, ['call', 'message', 'number', 'password', 'session', 'account', 'request', 'payment', 'line', 'meeting'])} ${pick(random, ['has been', 'was', 'is', 'will be', 'could not be', 'is not'])} ${pick(random, ['saved', 'deleted', 'recorded', 'received', 'rejected', 'accepted', 'blocked', 'answered', 'transferred', 'cancelled', 'completed', 'activated', 'changed', 'found', 'ready', 'busy', 'empty', 'locked', 'connected'])}`
    default:
      return `${pick(random, ['if you want to', 'when you are ready to', 'before you', 'in order to', 'you can'])} ${action}`
  }
}
