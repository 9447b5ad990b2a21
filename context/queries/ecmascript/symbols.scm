; What JavaScript and TypeScript have in common.
(class_declaration name: (_) @name.class) @definition.class
(class name: (_) @name.class) @definition.class
(function_declaration name: (identifier) @name.function) @definition.function
(generator_function_declaration name: (identifier) @name.function) @definition.function
(method_definition name: [(property_identifier) (private_property_identifier)] @name.method) @definition.method
(variable_declarator name: (identifier) @name.function
  value: [(arrow_function) (function_expression) (generator_function)]) @definition.function
(pair key: (property_identifier) @name.method
  value: [(arrow_function) (function_expression) (generator_function)]) @definition.method
(assignment_expression
  left: (member_expression object: [(identifier) (member_expression)] @receiver property: (property_identifier) @name.function)
  right: [(arrow_function) (function_expression) (generator_function)]) @definition.function
(variable_declarator name: (identifier) @name.constant) @definition.constant
(assignment_expression
  left: (member_expression object: (this) property: (property_identifier) @name.member)) @definition.member
[(arrow_function) (function_expression) (generator_function)] @definition.lambda
(export_statement) @outer

(arrow_function parameter: (identifier) @local)
(assignment_pattern left: (identifier) @local)
(rest_pattern (identifier) @local)
(array_pattern (identifier) @local)
(object_pattern (shorthand_property_identifier_pattern) @local)
(object_assignment_pattern left: (shorthand_property_identifier_pattern) @local)
(pair_pattern value: (identifier) @local)
(for_in_statement left: (identifier) @local)
(catch_clause parameter: (identifier) @local)

(import_statement) @import
(export_statement source: (string)) @import
(variable_declarator value: (call_expression function: (identifier) @_require arguments: (arguments . (string)))
  (#eq? @_require "require")) @import

[
  (identifier)
  (property_identifier)
  (private_property_identifier)
  (shorthand_property_identifier)
] @reference
