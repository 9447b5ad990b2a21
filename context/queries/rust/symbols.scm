(function_item name: (identifier) @name.function) @definition.function
(function_signature_item name: (identifier) @name.function) @definition.function
(macro_definition name: (identifier) @name.function) @definition.function
(struct_item name: (type_identifier) @name.class) @definition.class
(union_item name: (type_identifier) @name.class) @definition.class
(enum_item name: (type_identifier) @name.type) @definition.type
(trait_item name: (type_identifier) @name.type) @definition.type
(type_item name: (type_identifier) @name.type) @definition.type
(associated_type name: (type_identifier) @name.type) @definition.type
(mod_item name: (identifier) @name.module body: (_)) @definition.module
(impl_item type: [
  (type_identifier) @name.scope
  (generic_type type: (type_identifier) @name.scope)
]) @definition.scope
(field_declaration name: (field_identifier) @name.field) @definition.field
(enum_variant name: (identifier) @name.field) @definition.field
(const_item name: (identifier) @name.constant) @definition.constant
(static_item name: (identifier) @name.constant) @definition.constant
(closure_expression) @definition.lambda

(parameter pattern: (identifier) @local)
(closure_parameters (identifier) @local)
(let_declaration pattern: (identifier) @local)
(for_expression pattern: (identifier) @local)
(tuple_pattern (identifier) @local)
(mut_pattern (identifier) @local)
(ref_pattern (identifier) @local)
(tuple_struct_pattern type: (_) (identifier) @local)

(use_declaration) @import
(mod_item !body) @import

[(identifier) (type_identifier) (field_identifier)] @reference
