/** What the text and the vision model return besides their heads' output. */
import { type Graph, gather, type Tensor } from '../../ml/graph/index.js'

/**
 * Names hidden states as outputs: `hidden.0` goes into the first block, `hidden.N` comes out of block N.
 * @throws RangeError for a number that the model does not have.
 */
export function outputHiddenStates(
  graph: Graph,
  states: readonly Tensor[],
  wanted: readonly number[] = [],
): void {
  for (const number of wanted) {
    const state = states[number]
    if (state === undefined) throw new RangeError(`hidden state ${number} of a model with ${states.length}`)
    graph.output(`hidden.${number}`, state)
  }
}

/** The state of each row's first token (`<s>`, the class token): [batch, tokens, width] -> [batch, width]. */
export const firstToken = (hidden: Tensor): Tensor => gather(hidden, hidden.graph.scalar(0, 'int64'), 1)
