/** Figures on named data as Hugging Face's model cards have them: `model-index` of the front matter. */

/**
 * @param model its name. @param task as the hub calls it.
 * @param figures [{dataset: {name, type}, type, name, percent}]; those of one data set stand together.
 */
export function modelIndex(model, task, figures) {
  const sets = new Map()
  for (const figure of figures) {
    const { name } = figure.dataset
    sets.set(name, [...(sets.get(name) ?? []), figure])
  }
  const results = [...sets.values()].map(
    (together) => `  - task:
      type: ${task}
    dataset:
      name: ${JSON.stringify(together[0].dataset.name)}
      type: ${together[0].dataset.type}
    metrics:
${together.map(metric).join('\n')}`,
  )
  return `model-index:
- name: ${model}
  results:
${results.join('\n')}`
}

const metric = ({ type, name, percent }) => `    - type: ${type}
      name: ${JSON.stringify(`${name}, %`)}
      value: ${percent.toFixed(1)}`
