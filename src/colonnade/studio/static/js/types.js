/**
 * The types of what the server says about the tables: see ResourceDescription in Python.
 *
 * @typedef {{[name: string]: any}} Row
 * @typedef {{[name: string]: any}} JSONSchema
 *
 * @typedef {object} Field
 * @property {string} name
 * @property {string} column
 * @property {string} body_name
 * @property {string} kind
 * @property {JSONSchema} schema
 * @property {boolean} nullable
 * @property {boolean} primary_key
 * @property {boolean} unique
 * @property {(string | number)[] | null} choices
 * @property {boolean} is_aware
 * @property {[string, string] | null} references
 * @property {{[operator: string]: string}} filters
 * @property {boolean} sortable
 *
 * @typedef {object} Relation
 * @property {string} name
 * @property {"one" | "many" | "many_to_many" | "association"} kind
 * @property {string} table
 * @property {boolean} nullable
 * @property {boolean} self_referential
 * @property {[string, string][]} pairs
 * @property {string | null} inverse
 * @property {boolean} included
 * @property {string | null} count
 * @property {boolean} listed
 * @property {boolean} tree
 * @property {boolean} creatable
 * @property {boolean} linkable
 * @property {boolean} nested
 * @property {JSONSchema | null} nested_create
 * @property {JSONSchema | null} link
 * @property {string | null} link_table
 * @property {string[]} link_columns
 *
 * @typedef {object} Action
 * @property {string} name
 * @property {string} title
 * @property {string} description
 * @property {string | null} confirm
 * @property {JSONSchema | null} form
 *
 * @typedef {object} View
 * @property {string | null} title
 * @property {string[]} columns
 * @property {string[]} search
 * @property {string | null} group
 * @property {string | null} label
 *
 * @typedef {object} Table
 * @property {string} id
 * @property {string} url
 * @property {boolean} is_public
 * @property {string} name
 * @property {string} table
 * @property {string} path
 * @property {string} description
 * @property {string[]} key
 * @property {string[]} operations
 * @property {Field[]} fields
 * @property {Relation[]} relations
 * @property {JSONSchema | null} create
 * @property {JSONSchema | null} update
 * @property {Action[]} actions
 * @property {number} max_limit
 * @property {string | null} rows
 * @property {boolean} is_open
 * @property {boolean} counts_exactly
 * @property {View} studio
 *
 * @typedef {object} CatalogData
 * @property {string} title
 * @property {string} csrf
 * @property {Table[]} tables
 * @property {string[]} left_out
 * @property {{sql?: boolean, drift?: boolean, local?: boolean}} features
 */
export {};
