/** `plumbline transcribe --grammar`: which of a list of sentences was said, if any. */
import { readFile } from 'node:fs/promises'
import { expandPath } from '../config/paths.js'
import { UserError } from '../errors.js'
import type { GrammarAnswer, GrammarSentence } from '../inference/local/own-models-service.js'
import { labelled, printable } from './format.js'

/** Five thousand sentences of two hundred characters. */
const MOST_BYTES = 1 << 20
const LABEL_WIDTH = 12

/** Lines of a grammar file; those that are empty or begin with `;` or `#` say nothing. @throws UserError */
export async function readGrammar(path: string): Promise<readonly string[]> {
  const bytes = await readFile(expandPath(path)).catch((cause: NodeJS.ErrnoException) => {
    throw new UserError(`${path} cannot be read: ${cause.code ?? cause.message}`, {
      code: 'NOT_FOUND',
      remedy: 'name a text file with a sentence a line',
      cause,
    })
  })
  if (bytes.length > MOST_BYTES)
    throw new UserError(`${path} has ${bytes.length} bytes`, {
      code: 'BAD_ARGUMENT',
      remedy: `split it: a grammar file has at most ${MOST_BYTES} bytes`,
    })
  return bytes
    .toString('utf8')
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^[;#]/.test(line))
}

/** The sentence on a line of its own, for scripts that read one; what speaks for it below. */
export function grammarText({ sentence, nearest, runnerUp, threshold }: GrammarAnswer): string {
  const judged = (each: GrammarSentence | null): string =>
    each === null ? 'none' : `${each.confidence.toFixed(2)}  ${printable(each.sentence)}`
  if (sentence !== null && nearest !== null)
    return [
      printable(sentence),
      labelled(
        'Confidence',
        `${nearest.confidence.toFixed(2)}, accepted from ${threshold.toFixed(2)}`,
        LABEL_WIDTH,
      ),
      labelled('Runner-up', judged(runnerUp), LABEL_WIDTH),
    ].join('\n')
  return [
    'No sentence of the grammar',
    labelled('Nearest', judged(nearest), LABEL_WIDTH),
    labelled('Accepted', `from ${threshold.toFixed(2)}`, LABEL_WIDTH),
  ].join('\n')
}
