/** What a model's matrices are computed with: as they are in its files (halves as float32), or on eight bits. */
export const PRECISIONS = ['fp32', 'int8'] as const
export type Precision = (typeof PRECISIONS)[number]
