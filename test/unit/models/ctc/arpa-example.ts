/**
 * A small trigram model, Katz-style with absolute discounting, computed here from counted sentences so that its
 * probabilities are right by construction, not by this project's evaluation.
 */
const SENTENCES = [
  'the cat sat',
  'the cat ran',
  'a cat sat',
  'the sat',
  'the cat sat on the cat',
  'a the a',
  'on a cat',
]
const DISCOUNT = 0.5

const counts = [1, 2, 3].map(() => new Map<string, number>())
for (const sentence of SENTENCES) {
  const words = ['<s>', ...sentence.split(' '), '</s>']
  for (let order = 1; order <= 3; order++)
    for (let i = 0; i + order <= words.length; i++) {
      const key = words.slice(i, i + order).join(' ')
      const table = counts[order - 1]
      table?.set(key, (table.get(key) ?? 0) + 1)
    }
}

const vocabulary = [...(counts[0]?.keys() ?? [])].filter((word) => word !== '<s>').concat('<unk>')
const total = vocabulary.reduce((sum, word) => sum + (counts[0]?.get(word) ?? 1), 0)

const followers = (history: string): readonly (readonly [string, number])[] => {
  const order = history.split(' ').length
  return [...(counts[order] ?? [])]
    .filter(([key]) => key.startsWith(`${history} `))
    .map(([key, count]) => [key.slice(history.length + 1), count] as const)
    .filter(([word]) => !word.includes(' '))
}

/** p(word | history), by the definition of Katz back-off. */
function probability(history: string, word: string): number {
  if (history === '') return (counts[0]?.get(word) ?? 1) / total
  const known = followers(history)
  const shorter = history.split(' ').slice(1).join(' ')
  if (known.length === 0) return probability(shorter, word)
  const sum = known.reduce((a, [, count]) => a + count, 0)
  const own = known.find(([follower]) => follower === word)
  return own === undefined ? weight(history) * probability(shorter, word) : (own[1] - DISCOUNT) / sum
}

function weight(history: string): number {
  const known = followers(history)
  if (known.length === 0) return 1
  const sum = known.reduce((a, [, count]) => a + count, 0)
  const shorter = history.split(' ').slice(1).join(' ')
  const left = 1 - known.reduce((a, [word]) => a + probability(shorter, word), 0)
  return (DISCOUNT * known.length) / sum / left
}

const log10 = (x: number): string => Math.log10(x).toFixed(7)

const sections = [1, 2, 3].map((order) => {
  const keys = order === 1 ? ['<s>', ...vocabulary] : [...(counts[order - 1]?.keys() ?? [])]
  return keys.map((key) => {
    const words = key.split(' ')
    const word = words.at(-1) ?? ''
    const logP = key === '<s>' ? '-99' : log10(probability(words.slice(0, -1).join(' '), word))
    const isOpen = order < 3 && word !== '</s>' && key !== '<unk>'
    return { words, line: `${logP}\t${key}${isOpen ? `\t${log10(weight(key))}` : ''}`, log10P: Number(logP) }
  })
})

export const TRIGRAMS = sections[2] ?? []
export const probabilityOf = probability

export const ARPA = [
  '\\data\\',
  ...sections.map((lines, i) => `ngram ${i + 1}=${lines.length}`),
  ...sections.flatMap((lines, i) => ['', `\\${i + 1}-grams:`, ...lines.map(({ line }) => line)]),
  '',
  '\\end\\',
  '',
].join('\n')
