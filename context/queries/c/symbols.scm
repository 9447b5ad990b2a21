(function_definition) @definition.function
(declaration declarator: [
  (function_declarator)
  (pointer_declarator declarator: (function_declarator))
]) @definition.function
(preproc_function_def name: (identifier) @name.function) @definition.function
(function_declarator declarator: (identifier) @name.function)
(struct_specifier name: (type_identifier) @name.class body: (_)) @definition.class
(union_specifier name: (type_identifier) @name.class body: (_)) @definition.class
(enum_specifier name: (type_identifier) @name.type body: (_)) @definition.type
(type_definition declarator: [
  (type_identifier) @name.type
  (pointer_declarator declarator: (type_identifier) @name.type)
  (function_declarator declarator: (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @name.type)))
]) @definition.type
(field_declaration declarator: [
  (field_identifier) @name.field
  (pointer_declarator declarator: (field_identifier) @name.field)
  (array_declarator declarator: (field_identifier) @name.field)
  (function_declarator declarator: (parenthesized_declarator (pointer_declarator declarator: (field_identifier) @name.field)))
]) @definition.field
(enumerator name: (identifier) @name.constant) @definition.constant
(preproc_def name: (identifier) @name.constant) @definition.constant
(declaration declarator: [
  (identifier) @name.constant
  (pointer_declarator declarator: (identifier) @name.constant)
  (array_declarator declarator: (identifier) @name.constant)
  (init_declarator declarator: [
    (identifier) @name.constant
    (pointer_declarator declarator: (identifier) @name.constant)
    (array_declarator declarator: (identifier) @name.constant)
    (pointer_declarator declarator: (array_declarator declarator: (identifier) @name.constant))
    (array_declarator declarator: (array_declarator declarator: (identifier) @name.constant))
  ])
]) @definition.constant

(parameter_declaration declarator: [
  (identifier) @local
  (pointer_declarator declarator: (identifier) @local)
  (array_declarator declarator: (identifier) @local)
  (pointer_declarator declarator: (pointer_declarator declarator: (identifier) @local))
  (pointer_declarator declarator: (array_declarator declarator: (identifier) @local))
])
(preproc_params (identifier) @local)

(preproc_include) @import

[(identifier) (type_identifier) (field_identifier)] @reference
