; inherits: c
(class_specifier name: (type_identifier) @name.class body: (_)) @definition.class
(namespace_definition name: [(namespace_identifier) (nested_namespace_specifier)] @name.module) @definition.module
(alias_declaration name: (type_identifier) @name.type) @definition.type
(concept_definition name: (identifier) @name.type) @definition.type
(declaration declarator: (reference_declarator (function_declarator))) @definition.function
(field_declaration declarator: [
  (function_declarator)
  (pointer_declarator declarator: (function_declarator))
  (reference_declarator (function_declarator))
]) @definition.function
(function_declarator declarator: [(field_identifier) (destructor_name) (operator_name)] @name.function)
(function_declarator declarator: (qualified_identifier
  scope: [(namespace_identifier) @receiver (template_type name: (type_identifier) @receiver)]
  name: [(identifier) (destructor_name) (operator_name)] @name.function))
(function_declarator declarator: (qualified_identifier
  scope: (namespace_identifier) @receiver
  name: (qualified_identifier
    scope: [(namespace_identifier) @receiver (template_type name: (type_identifier) @receiver)]
    name: [
      [(identifier) (destructor_name) (operator_name)] @name.function
      (qualified_identifier
        scope: [(namespace_identifier) @receiver (template_type name: (type_identifier) @receiver)]
        name: [(identifier) (destructor_name) (operator_name)] @name.function)
    ])))
(assignment_expression
  left: (field_expression argument: (this) field: (field_identifier) @name.member)) @definition.member
(lambda_expression) @definition.lambda
(template_declaration) @outer

(parameter_declaration declarator: (reference_declarator (identifier) @local))
(optional_parameter_declaration declarator: [
  (identifier) @local
  (pointer_declarator declarator: (identifier) @local)
  (reference_declarator (identifier) @local)
])
(for_range_loop declarator: [(identifier) @local (reference_declarator (identifier) @local)])
(declaration declarator: (init_declarator declarator: (reference_declarator (identifier) @local)))

(namespace_identifier) @reference
